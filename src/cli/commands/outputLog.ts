/** `hq output-log`: reads consolidated logs; no server is needed. */
import { once } from 'node:events';
import { resolve } from 'node:path';
import { followOutputLog } from '../../outputlog/follow.ts';
import { type OutputChunk, OutputLog } from '../../outputlog/reader.ts';
import { HqError } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';
import { integer } from '../options.ts';
import { jsonText } from '../output/jsonText.ts';
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
  readonly path: string;
  readonly options: LogOptions;
  readonly channel: Channel | undefined;
  /** In the order given. */
  readonly tasks: readonly number[] | undefined;
}

const WORDS = 'summary, jobs, show, cat JOB CHANNEL, stdout, stderr or export JOB';

export async function runOutputLog(context: Context, [pathText, words]: [string, string[]], options: LogOptions): Promise<undefined> {
  const [verb = '', ...rest] = words;
  const request: Request = {
    path: resolve(context.io.cwd, pathText),
    options,
    channel: options.channel === undefined ? undefined : channelOf(options.channel),
    tasks: options.task === undefined ? undefined : [...parseIdList(options.task)],
  };
  const expectWords = (count: number): void => {
    if (rest.length !== count) throw new HqError('HQ_E_USAGE', { detail: `'${verb}' takes ${count} more words: ${WORDS}` });
  };
  switch (verb) {
    case 'summary':
    case 'jobs':
      expectWords(0);
      return withLog(context, request, (log) => {
        if (verb === 'summary') context.output.logSummary(pathText, log.summary());
        else
          context.io.stdout.write(
            log
              .jobs()
              .map((job) => `${job}\n`)
              .join(''),
          );
      });
    case 'show':
      expectWords(0);
      return options.follow === true ? follow(context, request, true) : withLog(context, request, (log) => show(context, log, request));
    case 'cat':
      expectWords(2);
      return cat(context, request, { job: jobOf(rest[0] as string), channel: channelOf(rest[1] as string) });
    case 'stdout':
    case 'stderr':
      expectWords(0);
      return cat(context, request, { job: options.job, channel: verb });
    case 'export':
      return withLog(context, request, (log) => {
        const job = rest[0] === undefined ? impliedJob(log, options.job) : jobOf(rest[0]);
        const tasks = [...log.export(job, { tasks: request.tasks })];
        context.io.stdout.write(`${jsonText(tasks)}\n`);
      });
    default:
      throw new HqError('HQ_E_USAGE', { detail: `unrecognized subcommand '${verb}': ${WORDS} is expected` });
  }
}

async function cat(context: Context, request: Request, o: { job: number | undefined; channel: Channel }): Promise<undefined> {
  if (request.options.follow === true) {
    return follow(
      context,
      { ...request, channel: o.channel, options: { ...request.options, ...(o.job === undefined ? {} : { job: o.job }) } },
      false,
    );
  }
  return withLog(context, request, async (log) => {
    const job = impliedJob(log, o.job);
    const options = { tasks: request.tasks, allowUnfinished: request.options.allowUnfinished === true };
    for (const piece of log.cat(job, o.channel, options)) await write(context, piece);
  });
}

async function withLog(context: Context, request: Request, use: (log: OutputLog) => void | Promise<void>): Promise<undefined> {
  const log = OutputLog.open(request.path, {
    serverUid: request.options.serverUid,
    jobId: request.options.job,
    onNotice: (notice) => context.warn(notice.text),
  });
  try {
    await use(log);
  } finally {
    log.close();
  }
  return undefined;
}

async function show(context: Context, log: OutputLog, request: Request): Promise<void> {
  const widths = log.jobs().flatMap((job) => log.tasks(job).map((task) => [String(job).length, String(task.id).length] as const));
  const jobWidth = Math.max(1, ...widths.map(([width]) => width));
  const taskWidth = Math.max(1, ...widths.map(([, width]) => width));
  const tasks = request.tasks === undefined ? undefined : new Set(request.tasks);
  for (const chunk of log.show({ jobId: request.options.job, channel: request.channel, tasks })) {
    await write(context, prefixed(chunk, { jobWidth, taskWidth }));
  }
}

/** Goes on until interrupted; whoever wants an end asks for it with Ctrl-C or a pipe that closes. */
async function follow(context: Context, request: Request, withPrefix: boolean): Promise<undefined> {
  const { signal } = context.io;
  const events = followOutputLog(request.path, {
    serverUid: request.options.serverUid,
    jobId: request.options.job,
    channel: request.channel,
    tasks: request.tasks === undefined ? undefined : new Set(request.tasks),
    signal,
    onNotice: (notice) => context.warn(notice.text),
  });
  for await (const event of events) {
    if (event.kind === 'data') await write(context, withPrefix ? prefixed(event, { jobWidth: 1, taskWidth: 1 }) : event.data);
  }
  return undefined;
}

/** `<job>.<task>:<0|1>> ` before every line, as the original prints it. */
function prefixed(chunk: OutputChunk, o: { jobWidth: number; taskWidth: number }): string {
  const job = String(chunk.jobId).padStart(o.jobWidth, '0');
  const task = String(chunk.taskId).padStart(o.taskWidth, '0');
  const prefix = `${job}.${task}:${chunk.channel === 'stdout' ? 0 : 1}> `;
  const text = chunk.data.toString('utf8').replace(/\n$/, '');
  return `${text
    .split('\n')
    .map((line) => prefix + line)
    .join('\n')}\n`;
}

async function write(context: Context, data: Uint8Array | string): Promise<void> {
  if (!context.io.stdout.write(data)) await once(context.io.stdout, 'drain');
}

/** @throws HqError HQ_E_USAGE when the path does not say which job is meant */
function impliedJob(log: OutputLog, given: number | undefined): number {
  const jobs = log.jobs();
  const job = given ?? log.impliedJob ?? (jobs.length === 1 ? jobs[0] : undefined);
  if (job === undefined)
    throw new HqError('HQ_E_USAGE', {
      detail: `the log holds ${jobs.length} jobs (${jobs.slice(0, 10).join(', ')}): choose one with --job`,
    });
  return job;
}

function channelOf(text: string): Channel {
  if (text === 'stdout' || text === 'stderr') return text;
  throw new HqError('HQ_E_USAGE', { detail: `invalid value '${text}': stdout or stderr is expected` });
}

function jobOf(text: string): number {
  try {
    return integer(1, 0xffff_ffff)(text);
  } catch {
    throw new HqError('HQ_E_USAGE', { detail: `invalid value '${text}': a job id is expected` });
  }
}
