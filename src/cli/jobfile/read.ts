/**
 * Reads a job file: TOML, or YAML and JSON by the ending of its name. Used by `hq job submit-file` and `hq job validate`; the parsers are loaded
 * only with these commands.
 */
import { extname } from 'node:path';
import { parse as parseToml, TomlError } from 'smol-toml';
import { type Document, isNode, LineCounter, parseDocument } from 'yaml';
import { badField, firstBadField } from '../../protocol/badField.ts';
import { HqError } from '../../protocol/errors.ts';
import { type JobFile, jobFile } from '../../protocol/schema/jobFile.ts';
import { readTextFile } from '../textFile.ts';

/** A parsed text, and where in it a field stands. */
interface Parsed {
  readonly value: unknown;
  /** @returns line number from 1; undefined where the parser cannot tell */
  lineOf(path: readonly PropertyKey[]): number | undefined;
}

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
function tomlOf(path: string, text: string): Parsed {
  try {
    return { value: parseToml(text), lineOf: () => undefined };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [sentence = ''] = error.message.split('\n');
    throw fault(path, error.line, sentence.replace(/^Invalid TOML document: /, ''), error);
  }
}

function yamlOf(path: string, text: string): Parsed {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) throw fault(path, lines.linePos(error.pos[0]).line, error.message, error);
  return { value: toValue(path, document), lineOf: (field) => lineIn(document, lines, field) };
}

function toValue(path: string, document: Document.Parsed): unknown {
  try {
    return document.toJS() as unknown;
  } catch (error) {
    // Aliases that lead nowhere, or that would make a small file an endless one.
    throw fault(path, undefined, (error as Error).message, error);
  }
}

/** The line of the innermost part of the path that is there: what is missing has none. */
function lineIn(document: Document.Parsed, lines: LineCounter, path: readonly PropertyKey[]): number | undefined {
  for (let length = path.length; length >= 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range != null) return lines.linePos(node.range[0]).line;
  }
  return undefined;
}
