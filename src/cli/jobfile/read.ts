/**
 * Reads a job file: TOML, or YAML and JSON by the ending of its name. Used by `hq job submit-file` and `hq job validate`; the parsers are loaded
 * only with these commands.
 */
import { extname } from 'node:path';
import { parse as parseToml, TomlError } from 'smol-toml';
import { badField, firstBadField } from '../../protocol/badField.ts';
import { HqError } from '../../protocol/errors.ts';
import { type JobFile, jobFile } from '../../protocol/schema/jobFile.ts';
import { readTextFile } from '../textFile.ts';
import { type ParsedText, parseYaml } from '../yamlText.ts';

/** JSON is YAML. */
const YAML_ENDINGS: ReadonlySet<string> = new Set(['.yaml', '.yml', '.json']);

/**
 * @param path as typed, relative to `cwd`
 * @throws HqError HQ_E_FILE when it cannot be read, HQ_E_JOB_FILE with file, line and field when it is not valid
 */
export async function readJobFile(path: string, cwd: string): Promise<JobFile> {
  const text = await readTextFile(path, cwd);
  if (text === null) throw fault(path, undefined, 'it is not UTF-8 text');
  return parseJobFile(path, text);
}

/**
 * Pure.
 * @param path says by its ending what the text is, and stands in messages
 * @throws HqError HQ_E_JOB_FILE
 */
export function parseJobFile(path: string, text: string): JobFile {
  const parsed = YAML_ENDINGS.has(extname(path).toLowerCase()) ? yamlOf(path, text) : tomlOf(path, text);
  const checked = jobFile.safeParse(parsed.value);
  if (checked.success) return checked.data;
  throw fault(path, parsed.lineOf(firstBadField(checked.error)?.path ?? []), badField(checked.error, 'the file'));
}

/** @returns the error of a job file; `line` counts from 1 */
export function fault(path: string, line: number | undefined, detail: string, cause?: unknown): HqError {
  return new HqError('HQ_E_JOB_FILE', { where: line === undefined ? path : `${path}:${line}`, detail }, { cause });
}

/** The parser tells the line of a syntax error, but not where a value came from. */
function tomlOf(path: string, text: string): ParsedText {
  try {
    return { value: parseToml(text), lineOf: () => undefined };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [sentence = ''] = error.message.split('\n');
    throw fault(path, error.line, sentence.replace(/^Invalid TOML document: /, ''), error);
  }
}

function yamlOf(path: string, text: string): ParsedText {
  return parseYaml(text, (line, detail, cause) => fault(path, line, detail, cause));
}
