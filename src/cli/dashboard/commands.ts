/** `hq dashboard`: part of the command table. It draws on the terminal of whoever typed it, so no server runs it for clients. */
import type { CommandEntry, RunCommand } from '../commandEntry.ts';

export const DASHBOARD: CommandEntry = {
  name: 'dashboard',
  description: 'Look at workers, jobs, tasks, allocations and resource use, live or in a journal; q quits',
  args: [
    ['[source]', 'stream (the running server, the default) or replay'],
    ['[journal]', 'for replay: the journal of a server, or its directory; the server may run'],
  ],
  examples: ['hq dashboard', 'hq dashboard replay ~/.hq-server/001/journal.db'],
  load: async () => (await import('../commands/dashboard.ts')).runDashboard as RunCommand,
};
