/** Prints what tasks have written, wherever it went: the server finds it in files and consolidated logs. Used by `job logs` and `task list --print-logs`. */
import type { HqClient } from '../client/client.ts';
import { HqError } from '../protocol/errors.ts';
import type { TaskInfo } from '../protocol/schema/task.ts';
import type { Context } from './context.ts';

export const CHANNELS = ['stdout', 'stderr'] as const;
export type Channel = (typeof CHANNELS)[number];

/** Outputs that are followed at a time; each is a connection to the server. */
const FOLLOWED_MAX = 32;

/** @returns a line with job and task, to stand before the output of one channel */
export function taskHeader({ jobId, id }: TaskInfo, channel: Channel): string {
  return `# Job ${jobId}, task ${id}${channel === 'stderr' ? ', stderr' : ''}\n`;
}

/** One task after the other. `header`: a line before each output that is not empty; null: none. */
export async function printLogs(
  context: Context,
  client: HqClient,
  o: { tasks: readonly TaskInfo[]; channels: readonly Channel[]; header: ((task: TaskInfo, channel: Channel) => string) | null },
): Promise<void> {
  for (const task of o.tasks) {
    for (const channel of channelsOf(task, o.channels)) {
      let begun = false;
      for await (const piece of outputOf(context, client, { task, channel, follow: false })) {
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
  { task, channel, follow }: { task: TaskInfo; channel: Channel; follow: boolean },
): AsyncGenerator<Uint8Array> {
  try {
    yield* await client.taskOutput(task.jobId, task.id, { channel, follow });
  } catch (error) {
    if (!(error instanceof HqError) || (error.code !== 'HQ_E_LOG' && error.code !== 'HQ_E_FILE')) throw error;
    const isLost = task[channel] === '<stream>' && task.startedAtMs !== null;
    if (error.code === 'HQ_E_FILE' || isLost) context.fail(error);
  }
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
