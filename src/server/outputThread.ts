/** Entry of the output thread: started by `OutputClient` when the first consolidated log is to be read. */
import { parentPort } from 'node:worker_threads';
import { startOutputHost } from './outputHost.ts';

if (parentPort !== null) startOutputHost(parentPort);
