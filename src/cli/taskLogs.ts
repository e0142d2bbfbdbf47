/** Prints what tasks have written, wherever it went: the server finds it in files and consolidated logs. Used by `job logs` and `task list --print-logs`. */
import type { HqClient } from '../client/client.ts';
import { HqError } from '../protocol/errors.ts';
import type { TaskInfo } from '../protocol/schema/task.ts';
import type { Context } from './context.ts';

export const CHANNELS = ['stdout', 'stderr'] as const;
export type Channel = (typeof CHANNELS)[number];

/** Read from the end of an output for its last lines, bytes; and where very many lines are wanted, so much for each. */
const TAIL_BYTES = 64 * 1024;
const TAIL_BYTES_PER_LINE = 1024;

/** Outputs that are followed at a time; each is a connection to the server. */
const FOLLOWED_MAX = 32;

/** @returns a line with job and task, to stand before the output of one channel */
export function taskHeader({ jobId, id }: TaskInfo, channel: Channel): string {
  return `# Job ${jobId}, task ${id}${channel === 'stderr' ? ', stderr' : ''}\n`;
}

/** @returns how many bytes of the end of an output have its last lines in them, unless they are very long */
export function tailBytes(lines: number): number {
  return Math.max(TAIL_BYTES, lines * TAIL_BYTES_PER_LINE);
}

/** One task after the other. `header`: a line before each output that is not empty; null: none. `lines`: only the last ones of each output. */
export async function printLogs(
  context: Context,
  client: HqClient,
  o: {
    tasks: readonly TaskInfo[];
    channels: readonly Channel[];
    header: ((task: TaskInfo, channel: Channel) => string) | null;
    lines?: number | undefined;
  },
): Promise<void> {
  const tail = o.lines === undefined ? {} : { tail: tailBytes(o.lines) };
  for (const task of o.tasks) {
    for (const channel of channelsOf(task, o.channels)) {
      let begun = false;
      const pieces = outputOf(context, client, { task, channel, follow: false, ...tail });
      for await (const piece of o.lines === undefined ? pieces : lastLines(pieces, o.lines)) {
        if (!begun && o.header !== null) await context.raw(o.header(task, channel));
        begun = true;
        await context.raw(piece);
      }
    }
  }
}

/** All at once until every task has ended, by whole lines. `prefix`: each line begins with job and task. */
export async function followLogs(
  context: Context,
  client: HqClient,
  o: { tasks: readonly TaskInfo[]; channels: readonly Channel[]; prefix: boolean },
): Promise<void> {
  const waiting = o.tasks.flatMap((task) => channelsOf(task, o.channels).map((channel) => ({ task, channel }))).reverse();
  const work = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { jobId, id } = next.task;
      await printLines(context, outputOf(context, client, { ...next, follow: true }), o.prefix ? `${jobId}.${id}> ` : '');
    }
  };
  await Promise.all(Array.from({ length: Math.min(FOLLOWED_MAX, waiting.length) }, work));
}

/** What goes into one file is printed once. */
function channelsOf(task: TaskInfo, channels: readonly Channel[]): readonly Channel[] {
  const isShared = task.stdout !== null && task.stdout !== '<stream>' && task.stdout === task.stderr;
  return isShared ? channels.slice(0, 1) : channels;
}

/** Nothing, without a line, for a task that prints nowhere, has never run or has removed its files; what cannot be read is told, and the others go on. */
async function* outputOf(
  context: Context,
  client: HqClient,
  { task, ...options }: { task: TaskInfo; channel: Channel; follow: boolean; tail?: number },
): AsyncGenerator<Uint8Array> {
  try {
    yield* await client.taskOutput(task.jobId, task.id, options);
  } catch (error) {
    if (!(error instanceof HqError) || (error.code !== 'HQ_E_LOG' && error.code !== 'HQ_E_FILE')) throw error;
    const isLost = task[options.channel] === '<stream>' && task.startedAtMs !== null;
    if (error.code === 'HQ_E_FILE' || isLost) context.fail(error);
  }
}

/** The end of what comes, in one piece; none where nothing comes. */
async function* lastLines(pieces: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  const all = Buffer.concat(parts);
  let start = all.length;
  // The line before `start` ends just before it, so its beginning is searched for from one byte further on the left.
  for (let left = count; left > 0 && start > 0; left -= 1) start = start < 2 ? 0 : all.lastIndexOf(10, start - 2) + 1;
  if (all.length > 0) yield all.subarray(start);
}

async function printLines(context: Context, pieces: AsyncIterable<Uint8Array>, prefix: string): Promise<void> {
  let rest: Uint8Array = Buffer.alloc(0);
  for await (const piece of pieces) {
    const all = Buffer.concat([rest, piece]);
    const end = all.lastIndexOf(10) + 1;
    rest = all.subarray(end);
    if (end > 0) await context.raw(prefixed(all.subarray(0, end), prefix));
  }
  if (rest.length > 0) await context.raw(prefixed(Buffer.concat([rest, Buffer.from('\n')]), prefix));
}

/** @param lines ends with a line feed; bytes, because output need not be text */
export function prefixed(lines: Buffer, prefix: string): Uint8Array {
  if (prefix === '') return lines;
  const parts: Uint8Array[] = [];
  for (let at = 0; at < lines.length; ) {
    const end = lines.indexOf(10, at) + 1;
    parts.push(Buffer.from(prefix), lines.subarray(at, end));
    at = end;
  }
  return Buffer.concat(parts);
}
