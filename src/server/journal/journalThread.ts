/** Entry of the journal's thread: started by `JournalThread`, whose first message says what to open. */
import { parentPort } from 'node:worker_threads';
import { startHost } from './journalHost.ts';
import type { HostOptions } from './messages.ts';

parentPort?.once('message', (options: HostOptions) => {
  if (parentPort !== null) startHost(parentPort, options);
});
