/** The flags of a submit as a task specification. Everything is checked here, before anything is sent. */
import { HqError } from '../../protocol/errors.ts';
import type { CrashLimit, StdioSpec, TaskSpecInput } from '../../protocol/schema/task.ts';
import type { Compat } from '../compat.ts';
import { inheritedEnv } from './inheritedEnv.ts';
import { plainLogOf } from './nextflowScript.ts';
import { type RequestFlags, requestOf, type TypedRequest } from './request.ts';
import { type RetryFlags, retryOf } from './retry.ts';
import type { WaitFlags } from './send.ts';

/** Where `#HQ` lines are looked for. */
export type DirectiveMode = 'auto' | 'file' | 'stdin' | 'off';

/** As commander delivers them; durations in milliseconds. */
export interface SubmitFlags extends RequestFlags, RetryFlags, WaitFlags {
  readonly name?: string;
  readonly array?: string;
  /** Paths as typed. */
  readonly eachLine?: string;
  readonly fromJson?: string;
  readonly env?: string[];
  readonly inheritEnv?: boolean;
  readonly cwd?: string;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly stream?: string;
  readonly priority?: number;
  readonly timeLimit?: number;
  readonly maxFails?: number;
  readonly crashLimit?: string;
  readonly taskDir?: boolean;
  readonly strict?: boolean;
  readonly stdin?: boolean;
  readonly directives?: DirectiveMode;
  readonly dryRun?: boolean;
  readonly afterOk?: string[];
  readonly job?: number;
}

export interface SpecOptions {
  /** Those of the script included, but for its resources. */
  readonly flags: SubmitFlags;
  /** Of the script. */
  readonly scriptResources: TypedRequest;
  readonly compat: Compat;
  readonly stdin: Buffer | undefined;
  /** Of the command itself. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** @throws HqError HQ_E_USAGE, HQ_E_RESOURCE_REQUEST */
export function taskSpecOf(command: string[], o: SpecOptions): TaskSpecInput {
  const { flags, stdin } = o;
  const request = requestOf(flags, o.compat, o.scriptResources);
  const inherited = flags.inheritEnv === true ? inheritedEnv(o.env) : {};
  const env = { ...inherited, ...environmentOf(flags.env ?? []) };
  const log = plainLogOf(flags.stream);
  if (flags.cwd?.includes('%{CWD}') === true) throw usage("--cwd cannot contain '%{CWD}'");
  return {
    command,
    request,
    ...(Object.keys(env).length === 0 ? {} : { env }),
    ...(Object.keys(inherited).length === 0 ? {} : { secretEnv: Object.keys(inherited) }),
    ...(flags.cwd === undefined ? {} : { cwd: flags.cwd }),
    ...(log === undefined ? {} : { stdout: log, stderr: log }),
    ...(flags.stdout === undefined ? {} : { stdout: stdioOf(flags.stdout, 'stdout') }),
    ...(flags.stderr === undefined ? {} : { stderr: stdioOf(flags.stderr, 'stderr') }),
    ...(stdin === undefined ? {} : { stdin: stdin.toString('base64') }),
    ...(flags.pin === undefined ? {} : { pin: flags.pin }),
    ...(flags.taskDir === true ? { taskDir: true } : {}),
    ...(flags.priority === undefined ? {} : { priority: flags.priority }),
    ...(flags.timeLimit === undefined ? {} : { timeLimitMs: flags.timeLimit }),
    ...(flags.crashLimit === undefined ? {} : { crashLimit: crashLimitOf(flags.crashLimit) }),
    ...retryOf(flags, request),
  };
}

/**
 * How many tasks of the job may fail: `--max-fails`, else the number of an explicit `--crash-limit` of a submit that creates its job, which
 * means both things (docs/compatibility.md).
 */
export function jobFailLimit(flags: SubmitFlags, compat: Compat): number | undefined {
  if (flags.maxFails !== undefined) return flags.maxFails;
  if (flags.crashLimit === undefined || compat.crashLimitPerTaskOnly) return undefined;
  const limit = crashLimitOf(flags.crashLimit);
  return typeof limit === 'number' ? limit : undefined;
}

function environmentOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const equals = pair.indexOf('=');
      const name = equals < 0 ? pair : pair.slice(0, equals);
      if (name === '') throw usage(`invalid value '${pair}' for '--env': NAME=VALUE is expected`);
      return [name, equals < 0 ? '' : pair.slice(equals + 1)];
    }),
  );
}

/** `none`, `PATH`, `PATH:rm-if-finished`, `:rm-if-finished` (default path). */
function stdioOf(text: string, channel: string): StdioSpec {
  if (text === 'none') return null;
  const [path = '', mode, ...rest] = text.split(':');
  if (rest.length > 0 || (mode !== undefined && mode !== 'rm-if-finished')) {
    throw usage(`invalid value '${text}' for '--${channel}': none, PATH or PATH:rm-if-finished is expected`);
  }
  if (path === '' && mode === undefined) throw usage(`invalid value '' for '--${channel}': a path is missing`);
  return {
    path: path === '' ? `%{CWD}/job-%{JOB_ID}/%{TASK_ID}.${channel}` : path,
    onClose: mode === undefined ? 'keep' : 'rm-if-finished',
  };
}

/** @throws HqError HQ_E_USAGE */
export function crashLimitOf(text: string): CrashLimit {
  if (text === 'never-restart' || text === 'unlimited') return text;
  const limit = /^\d+$/.test(text) ? Number(text) : 0;
  if (limit < 1) throw usage(`invalid value '${text}' for '--crash-limit': a number above zero, never-restart or unlimited is expected`);
  return limit;
}

function usage(detail: string): HqError {
  return new HqError('HQ_E_USAGE', { detail });
}
