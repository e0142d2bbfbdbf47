/** The commands of `hq journal`: part of the command table. */
import type { CommandGroup, RunCommand } from '../commandEntry.ts';
import { durationMs, positiveDurationMs, val } from '../options.ts';

const journal = () => import('../commands/journal.ts');

export const JOURNAL: CommandGroup = {
  name: 'journal',
  description: 'Read the journal of events, and clean it up',
  commands: [
    {
      name: 'export',
      description: 'Print the events of a journal whose server does not run, one JSON object per line',
      examples: ['hq journal export ~/.hq-server/001/journal.db'],
      args: [['<file>', 'journal, e.g. ~/.hq-server/001/journal.db, or a backup of one']],
      load: async () => (await journal()).runExport as RunCommand,
    },
    {
      name: 'replay',
      description: 'Print the events that the running server has kept, one JSON object per line',
      examples: ['hq journal replay'],
      load: async () => (await journal()).runReplay as RunCommand,
    },
    {
      name: 'stream',
      description: 'Print past events and everything that happens, until the server stops',
      examples: ['hq journal stream'],
      load: async () => (await journal()).runStream as RunCommand,
    },
    {
      name: 'prune',
      description: 'Delete completed jobs, workers and allocations that have ended, and old events from the journal',
      options: () => [
        val('--older-than <DURATION>', 'only what ended, or happened, so long ago (default: everything)', positiveDurationMs),
      ],
      examples: ['hq journal prune --older-than 720h'],
      load: async () => (await journal()).runPrune as RunCommand,
    },
    {
      name: 'flush',
      description: 'Return when everything that has happened is on disk',
      examples: ['hq journal flush'],
      load: async () => (await journal()).runFlush as RunCommand,
    },
    {
      name: 'report',
      description: 'Make an HTML page out of the events of a journal whose server does not run',
      args: [
        ['<file>', 'journal, or a backup of one'],
        ['<page>', 'HTML file to write'],
      ],
      options: () => [
        val('--start-time <DURATION>', 'leave out what happened before, from the first start of the server (default: 0s)', durationMs),
        val(
          '--end-time <DURATION>',
          'leave out what happened after, from the first start of the server (default: the last event)',
          positiveDurationMs,
        ),
      ],
      examples: ['hq server backup backup.db && hq journal report backup.db report.html'],
      load: async () => (await import('../commands/journalReport.ts')).runReport as RunCommand,
    },
  ],
};
