/**
 * What a script says about its own submit: `#HQ` lines with options, and the interpreter of its first line. Called by `hq submit`; grammar and
 * rules are HyperQueue's.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import { HqError } from '../../protocol/errors.ts';
// Directives stand at the beginning of a script, which is as much of it as a client sends.
import { FILE_START_BYTES as SCRIPT_BYTES } from '../../protocol/frontFrames.ts';
import type { CliIo } from '../io.ts';
import { reword } from '../usage.ts';
import { isNextflowScript, nextflowWords } from './nextflowScript.ts';
import { mayBeScript, submitOptions } from './options.ts';
import { shellWords } from './shellWords.ts';
import type { DirectiveMode, SubmitFlags } from './spec.ts';

export interface Script {
  /** Options in `#HQ` lines. */
  readonly flags: SubmitFlags;
  /** Words of the `#!` line; empty where there is none. */
  readonly interpreter: readonly string[];
  /** It is `.command.run` of a task of Nextflow. */
  readonly ofNextflow: boolean;
}

const NO_SCRIPT: Script = { flags: {}, interpreter: [], ofNextflow: false };

/** About this one command, not about tasks. */
const NOT_IN_SCRIPTS: ReadonlySet<string> = new Set(['--stdin', '--directives', '--dry-run']);

/**
 * @param o.program as typed; a path relative to the working directory
 * @param o.stdin what was read for `--stdin`
 * @throws HqError HQ_E_USAGE, HQ_E_FILE (not for `auto`: the program may be in the worker's PATH alone), HQ_E_DIRECTIVE
 */
export async function readScript(o: {
  mode: DirectiveMode;
  program: string;
  io: Pick<CliIo, 'cwd' | 'readFileStart'>;
  stdin: Buffer | undefined;
}): Promise<Script> {
  if (o.mode === 'stdin') {
    if (o.stdin === undefined) throw new HqError('HQ_E_USAGE', { detail: "the argument '--directives=stdin' needs '--stdin'" });
    return { ...NO_SCRIPT, flags: directivesIn(o.stdin.toString('utf8', 0, SCRIPT_BYTES), 'standard input', shellWords) };
  }
  if (!mayBeScript(o.mode, o.program)) return NO_SCRIPT;
  const text = await readBeginning(o.program, o);
  if (text === null) return NO_SCRIPT;
  const ofNextflow = isNextflowScript(o.mode, o.program);
  const flags = directivesIn(text, o.program, ofNextflow ? nextflowWords : shellWords);
  // The interpreter would read its script from the task's standard input.
  return { flags, interpreter: o.stdin === undefined ? interpreterOf(text) : [], ofNextflow };
}

async function readBeginning(
  path: string,
  { mode, io }: { mode: DirectiveMode; io: Pick<CliIo, 'cwd' | 'readFileStart'> },
): Promise<string | null> {
  if (io.readFileStart !== undefined) return (await io.readFileStart(path)).toString('utf8');
  let file: FileHandle | undefined;
  try {
    file = await open(resolve(io.cwd, path));
    const { buffer, bytesRead } = await file.read(Buffer.alloc(SCRIPT_BYTES), 0, SCRIPT_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    if (mode === 'auto' && (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new HqError('HQ_E_FILE', { path, detail: (error as Error).message }, { cause: error });
  } finally {
    await file?.close();
  }
}

function interpreterOf(text: string): string[] {
  const [first = ''] = text.split('\n', 1);
  return first.startsWith('#!')
    ? first
        .slice(2)
        .trim()
        .split(/\s+/)
        .filter((word) => word !== '')
    : [];
}

/**
 * Pure.
 * @param name of the script, for messages
 * @param wordsOf what stands behind `#HQ` in a line
 * @throws HqError HQ_E_DIRECTIVE
 */
function directivesIn(text: string, name: string, wordsOf: typeof shellWords): SubmitFlags {
  const lines: { readonly where: string; readonly words: string[] }[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const trimmed = line.trim();
    if (trimmed !== '' && !trimmed.startsWith('#')) break;
    if (!/^#HQ(\s|$)/.test(trimmed)) continue;
    const where = `${name}:${index + 1}`;
    const words = wordsOf(trimmed.slice('#HQ'.length));
    if (typeof words === 'string') throw new HqError('HQ_E_DIRECTIVE', { where, detail: words });
    lines.push({ where, words });
  }
  const all = parse(lines.flatMap(({ words }) => words));
  if (typeof all !== 'string') return all;
  // All lines are one command line; the first one that does not continue it well is to blame.
  const words: string[] = [];
  for (const line of lines) {
    words.push(...line.words);
    const flags = parse(words);
    if (typeof flags === 'string') throw new HqError('HQ_E_DIRECTIVE', { where: line.where, detail: flags });
  }
  throw new HqError('HQ_E_DIRECTIVE', { where: name, detail: all });
}

function parse(words: readonly string[]): SubmitFlags | string {
  const command = new Command('#HQ')
    .exitOverride()
    .helpOption(false)
    .configureOutput({ outputError: () => {} });
  for (const option of submitOptions()) if (!NOT_IN_SCRIPTS.has(option.long ?? '')) command.addOption(option);
  try {
    // Scripts of Nextflow before 25.04 have the option's earlier name.
    command.parse(
      words.map((word) => word.replace(/^--log(?==|$)/, '--stream')),
      { from: 'user' },
    );
    return command.opts<SubmitFlags>();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const [sentence = ''] = error.message.replace(/^error: /, '').split('\n');
    return reword(sentence, command).replace(/\s*\n\s*/g, ' ');
  }
}

/**
 * The command line wins over the script; variables of both count, and so does what selects tasks (`--array`, `--each-line`, `--from-json`) of one
 * side as a whole. Resources are joined by `requestOf`.
 */
export function mergeFlags(typed: SubmitFlags, script: SubmitFlags): SubmitFlags {
  const { array, eachLine, fromJson, cpus: _cpus, resource: _resource, variant: _variant, env, ...rest } = script;
  const selects = typed.array !== undefined || typed.eachLine !== undefined || typed.fromJson !== undefined;
  const tasks = selects ? {} : { array, eachLine, fromJson };
  const variables = [...(typed.env ?? []), ...(env ?? [])];
  const merged = { ...rest, ...tasks, ...typed, ...(variables.length === 0 ? {} : { env: variables }) };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined)) as SubmitFlags;
}
