/** `hq journal report`: one HTML page out of the events of a journal. */
import { basename, resolve } from 'node:path';
import { HqError } from '../../protocol/errors.ts';
import { JournalHistory } from '../../report/journal/history.ts';
import { journalPage } from '../../report/journal/page.ts';
import type { Context } from '../context.ts';
import { writeTextFile } from '../textFile.ts';

/** Milliseconds since the first start of the server. */
interface ReportOptions {
  readonly startTime?: number;
  readonly endTime?: number;
}

export async function runReport(context: Context, [file, page]: [string, string], options: ReportOptions): Promise<undefined> {
  const { startTime: fromMs = 0, endTime: toMs = Number.POSITIVE_INFINITY } = options;
  if (toMs <= fromMs) throw new HqError('HQ_E_USAGE', { detail: 'the end time is not after the start time' });
  const { io } = context;
  const { offlineEvents } = await import('../../server/journal/offline.ts');
  const history = new JournalHistory({ fromMs, toMs });
  for (const events of offlineEvents(resolve(io.cwd, file))) {
    io.signal.throwIfAborted();
    for (const event of events) history.add(event);
  }
  const from = history.originMs === null ? 'nothing' : new Date(history.originMs).toISOString();
  await writeTextFile(page, journalPage(history, { source: basename(file), from }), io);
  context.output.done(`Report of ${history.events} events written into ${page}`);
}
