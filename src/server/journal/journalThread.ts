/** Entry of the journal's thread: started by `openJournal` with the options as its data. */
import { parentPort, workerData } from 'node:worker_threads';
import { startHost } from './journalHost.ts';
import type { HostOptions } from './messages.ts';

if (parentPort !== null) startHost(parentPort, workerData as HostOptions);
