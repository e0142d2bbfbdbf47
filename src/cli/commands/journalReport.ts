/** `hq journal report`: one HTML page out of the events of a journal. */
import { writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { HqError } from '../../protocol/errors.ts';
import { JournalHistory } from '../../report/journal/history.ts';
import { journalPage } from '../../report/journal/page.ts';
import type { Context } from '../context.ts';

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
  try {
    const from = history.originMs === null ? 'nothing' : new Date(history.originMs).toISOString();
    await writeFile(resolve(io.cwd, page), journalPage(history, { source: basename(file), from }));
  } catch (error) {
    throw new HqError('HQ_E_FILE_WRITE', { path: page, detail: (error as Error).message }, { cause: error });
  }
  context.output.done(`Report of ${history.events} events written into ${page}`);
}
