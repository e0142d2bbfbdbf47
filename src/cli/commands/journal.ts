/** `hq journal export|replay|stream|prune|flush`: what the journal keeps, and what becomes of it. */
import { resolve } from 'node:path';
import type { HqEvent } from '../../protocol/schema/event.ts';
import type { Context } from '../context.ts';
import { eventLine } from '../journal/eventJson.ts';

/** Of a journal whose server does not run. */
export async function runExport(context: Context, [file]: [string]): Promise<undefined> {
  const { offlineEvents } = await import('../../server/journal/offline.ts');
  let count = 0;
  for (const events of offlineEvents(resolve(context.io.cwd, file))) {
    context.io.signal.throwIfAborted();
    await printEvents(context, events);
    count += events.length;
  }
  context.note(`INFO Outputted ${count} events`);
  await context.raw('');
}

/** What the server has kept so far. */
export async function runReplay(context: Context): Promise<undefined> {
  const client = await context.client();
  await context.raw('');
  for await (const events of client.events({ after: 0, follow: false })) await printEvents(context, events);
}

/** The same, and everything that happens until the server stops. */
export async function runStream(context: Context): Promise<undefined> {
  const client = await context.client();
  // Times of events are of the server's clock, as the time of its start is.
  const { startedAtMs } = await client.serverInfo();
  await context.raw('');
  for await (const events of client.events({ after: 0 })) {
    await printEvents(context, events);
    if (events.some(({ type, timeMs }) => type === 'server-stop' && timeMs >= startedAtMs)) return;
  }
}

export async function runFlush(context: Context): Promise<undefined> {
  await (await context.client()).flushJournal();
  context.output.done('Journal flushed');
}

/** @param options.olderThan milliseconds */
export async function runPrune(context: Context, _args: [], { olderThan }: { olderThan?: number }): Promise<undefined> {
  const client = await context.client();
  await client.pruneJournal(olderThan === undefined ? {} : { beforeMs: ((await client.serverInfo()).nowMs as number) - olderThan });
  context.output.done('Journal pruned');
}

async function printEvents(context: Context, events: readonly HqEvent[]): Promise<void> {
  if (events.length > 0) await context.raw(`${events.map(eventLine).join('\n')}\n`);
}
