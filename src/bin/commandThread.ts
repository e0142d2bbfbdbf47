/** Entry of the thread that runs short commands for clients on the server's host: started by `server/front/commandThread.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { listenForFronts } from '../cli/front/listener.ts';

await listenForFronts(workerData as string);
parentPort?.postMessage('listening');
