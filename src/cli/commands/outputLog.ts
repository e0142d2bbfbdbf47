/** `hq output-log`: reads consolidated logs; no server is needed. */
import { resolve } from 'node:path';
import { assertNever } from '../../common/assert.ts';
import { followOutputLog } from '../../outputlog/follow.ts';
import { OutputLog } from '../../outputlog/reader.ts';
import { HqError } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';
import { integer } from '../options.ts';
import { jsonText } from '../output/jsonText.ts';
import { Prefix } from '../output/prefix.ts';
import { parseIdList } from '../selectors.ts';

type Channel = 'stdout' | 'stderr';

interface LogOptions {
  readonly job?: number;
  readonly channel?: string;
  readonly task?: string;
  readonly allowUnfinished?: boolean;
  readonly serverUid?: string;
  readonly follow?: boolean;
}

/** One call with everything parsed. */
interface Request {
  /** As typed, for messages. */
  readonly shownPath: string;
  readonly path: string;
  readonly verb: Verb;
  readonly job: number | undefined;
  readonly channel: Channel | undefined;
  /** In the order given. */
  readonly tasks: readonly number[] | undefined;
  readonly allowUnfinished: boolean;
  readonly serverUid: string | undefined;
  readonly follow: boolean;
}

/** Options that each verb knows; every other one would be ignored, so it is refused. */
const VERBS = {
  summary: ['job', 'serverUid'],
  jobs: ['serverUid'],
  show: ['job', 'channel', 'task', 'serverUid', 'follow'],
  cat: ['task', 'allowUnfinished', 'serverUid', 'follow'],
  stdout: ['job', 'task', 'allowUnfinished', 'serverUid', 'follow'],
  stderr: ['job', 'task', 'allowUnfinished', 'serverUid', 'follow'],
  export: ['job', 'task', 'serverUid'],
} as const satisfies Record<string, readonly (keyof LogOptions)[]>;
type Verb = keyof typeof VERBS;

const FLAGS: Readonly<Record<keyof LogOptions, string>> = {
  job: '--job',
  channel: '--channel',
  task: '--task',
  allowUnfinished: '--allow-unfinished',
  serverUid: '--server-uid',
  follow: '--follow',
};

export async function runOutputLog(context: Context, [path, words]: [string, string[]], options: LogOptions): Promise<undefined> {
  const request = parse(context, { path, words, options });
  if (request.follow) return follow(context, request);
  const log = open(context, request);
  try {
    await print(context, log, request);
  } finally {
    log.close();
  }
}

/** Opens only the files of the job that was named: a directory may hold those of thousands. */
function open(context: Context, { path, serverUid, job }: Request): OutputLog {
  try {
    return OutputLog.open(path, { serverUid, jobId: job, onNotice: (notice) => context.warn(notice.text) });
  } catch (error) {
    if (job === undefined || !(error instanceof HqError) || error.code !== 'HQ_E_LOG') throw error;
    // Is there a log at all? Then it is the job that is not there.
    OutputLog.open(path, { serverUid }).close();
    throw new HqError('HQ_E_LOG', { detail: `Job ${job} not found` }, { cause: error });
  }
}

/** @throws HqError HQ_E_USAGE, HQ_E_ARRAY */
function parse(context: Context, o: { path: string; words: readonly string[]; options: LogOptions }): Request {
  const { options } = o;
  const [word = '', ...rest] = o.words;
  if (!Object.hasOwn(VERBS, word)) throw usage(`unrecognized subcommand '${word}': ${Object.keys(VERBS).join(', ')} are possible`);
  const verb = word as Verb;
  const [least, most] = verb === 'cat' ? [2, 2] : verb === 'export' ? [0, 1] : [0, 0];
  if (rest.length < least) throw usage(`'cat' needs a job and a channel: cat JOB stdout|stderr`);
  if (rest.length > most) throw usage(`unexpected argument '${rest[most]}' found`);
  const known: readonly string[] = VERBS[verb];
  for (const [name, flag] of Object.entries(FLAGS)) {
    if (options[name as keyof LogOptions] !== undefined && !known.includes(name))
      throw usage(`the argument '${flag}' cannot be used with '${verb}'`);
  }
  const channel = verb === 'stdout' || verb === 'stderr' ? verb : (rest[1] ?? options.channel);
  return {
    shownPath: o.path,
    path: resolve(context.io.cwd, o.path),
    verb,
    job: rest[0] === undefined ? options.job : jobOf(rest[0]),
    channel: channel === undefined ? undefined : channelOf(channel),
    tasks: options.task === undefined ? undefined : [...parseIdList(options.task)],
    allowUnfinished: options.allowUnfinished === true,
    serverUid: options.serverUid,
    follow: options.follow === true,
  };
}

async function print(context: Context, log: OutputLog, request: Request): Promise<void> {
  switch (request.verb) {
    case 'summary':
      return context.output.logSummary(request.shownPath, log.summary());
    case 'jobs':
      return context.raw(
        log
          .jobs()
          .map((job) => `${job}\n`)
          .join(''),
      );
    case 'show':
      return show(context, log, request);
    case 'cat':
    case 'stdout':
    case 'stderr':
      return cat(context, log, request);
    case 'export':
      return exportTasks(context, log, request);
    default:
      return assertNever(request.verb);
  }
}

async function cat(context: Context, log: OutputLog, request: Request): Promise<void> {
  const { tasks, allowUnfinished, channel = 'stdout' } = request;
  for (const piece of log.cat(impliedJob(log, request.job), channel, { tasks, allowUnfinished })) await context.raw(piece);
}

/** One task at a time: what all tasks have printed may be more than fits into memory. */
async function exportTasks(context: Context, log: OutputLog, request: Request): Promise<void> {
  let separator = '[\n  ';
  for (const task of log.export(impliedJob(log, request.job), { tasks: request.tasks })) {
    await context.raw(`${separator}${jsonText(task, '  ')}`);
    separator = ',\n  ';
  }
  await context.raw(separator.startsWith(',') ? '\n]\n' : '[]\n');
}

async function show(context: Context, log: OutputLog, request: Request): Promise<void> {
  const tasks = request.tasks === undefined ? undefined : new Set(request.tasks);
  const jobs = request.job === undefined ? log.jobs() : [request.job];
  const ids = jobs.flatMap((job) => log.tasks(job).map((task) => task.id));
  const prefix = new Prefix({ job: Math.max(0, ...jobs), task: ids.reduce((a, b) => Math.max(a, b), 0) }, context.colors);
  for (const chunk of log.show({ jobId: request.job, channel: request.channel, tasks })) await context.raw(prefix.lines(chunk));
}

/** Goes on until interrupted; whoever wants an end asks for it with Ctrl-C or a pipe that closes. */
async function follow(context: Context, request: Request): Promise<undefined> {
  const events = followOutputLog(request.path, {
    serverUid: request.serverUid,
    jobId: request.job,
    channel: request.channel,
    tasks: request.tasks === undefined ? undefined : new Set(request.tasks),
    signal: context.io.signal,
    onNotice: (notice) => context.warn(notice.text),
  });
  const prefix = request.verb === 'show' ? new Prefix({ job: 0, task: 0 }, context.colors) : null;
  for await (const event of events) {
    if (event.kind === 'data') await context.raw(prefix === null ? event.data : prefix.lines(event));
  }
}

/** @throws HqError HQ_E_USAGE when the path does not say which job is meant */
function impliedJob(log: OutputLog, given: number | undefined): number {
  const jobs = log.jobs();
  const job = given ?? log.impliedJob ?? (jobs.length === 1 ? jobs[0] : undefined);
  if (job === undefined) throw usage(`the log holds ${jobs.length} jobs (${jobs.slice(0, 10).join(', ')}): choose one with --job`);
  return job;
}

function channelOf(text: string): Channel {
  if (text === 'stdout' || text === 'stderr') return text;
  throw usage(`invalid value '${text}': stdout or stderr is expected`);
}

function jobOf(text: string): number {
  try {
    return integer(1, 0xffff_ffff)(text);
  } catch {
    throw usage(`invalid value '${text}': a job id is expected`);
  }
}

function usage(detail: string): HqError {
  return new HqError('HQ_E_USAGE', { detail });
}
