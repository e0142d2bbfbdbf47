/**
 * Holds what commands print with `--output-mode json` to their published schemas (src/cli/schema): called for every command that the helpers run, so that no
 * test has to think of it.
 */
import { commandNames } from '../../src/cli/generate/commandNames.ts';
import { FAILED, shapeOf } from '../../src/cli/schema/commands.ts';

/** Whole numbers among these have a decimal point, too: readers in other languages tell floats by it. */
const FLOATS = ['heartbeat_interval', 'idle_timeout', 'time_limit', 'min_utilization', 'min_time', 'timelimit', 'wall', 'user', 'system'];

/** Words of every command after `hq`. */
export const COMMAND_NAMES: ReadonlySet<string> = new Set(commandNames());

export interface Printed {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly code: number;
  readonly stdout: string;
}

/** @throws Error with the first place at which the answer is not what the schema says */
export function checkJson({ args, env, code, stdout }: Printed): void {
  if (!isJson(args, env) || stdout === '' || args.some((arg) => arg === '--help' || arg === '-h')) return;
  const words = args.filter((arg, i) => !arg.startsWith('--output-mode') && args[i - 1] !== '--output-mode');
  const name = [3, 2, 1].map((n) => words.slice(0, n).join(' ')).find((words) => COMMAND_NAMES.has(words));
  const shape = name === undefined ? null : shapeOf(name);
  if (shape === null || (name === 'output-log' && words.some((word) => TEXTS.has(word)))) return;
  const form = env['HQ_COMPAT'] === 'hyperqueue' ? 'original' : 'now';
  const value: unknown = JSON.parse(stdout);
  const failed = code !== 0 && typeof value === 'object' && value !== null && 'error' in value;
  const { error } = (failed ? FAILED : shape)[form].safeParse(value);
  if (error !== undefined) throw new Error(`hq ${args.join(' ')} is not what its schema says: ${error.message}\n${stdout}`);
  checkOrder(value, name ?? '');
  for (const key of FLOATS) {
    const [whole] = new RegExp(`"${key}": \\d+(?![.\\d])`).exec(name === 'worker hwdetect' ? '' : stdout) ?? [];
    if (whole !== undefined) throw new Error(`hq ${args.join(' ')}: ${whole} has no decimal point`);
  }
}

/** Words of `output-log` that print text. */
const TEXTS: ReadonlySet<string> = new Set(['jobs', 'show', 'cat', 'stdout', 'stderr']);

function isJson(args: readonly string[], env: Printed['env']): boolean {
  const at = args.indexOf('--output-mode');
  const given = at >= 0 ? args[at + 1] : args.find((arg) => arg.startsWith('--output-mode='))?.slice('--output-mode='.length);
  return (given ?? env['HQ_OUTPUT_MODE']) === 'json';
}

/** Keys come in alphabetical order; those that are numbers are put first by the parser. */
function checkOrder(value: unknown, where: string): void {
  if (typeof value !== 'object' || value === null) return;
  const keys = Array.isArray(value) ? [] : Object.keys(value).filter((key) => !/^\d+$/.test(key));
  const sorted = [...keys].sort();
  if (keys.join() !== sorted.join()) throw new Error(`${where}: keys are not in alphabetical order: ${keys.join()}`);
  for (const [key, member] of Object.entries(value)) checkOrder(member, `${where}.${key}`);
}
