/** Entry of the thread that runs short commands for clients on the server's host: started by `server/front/commandThread.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { listenForFronts } from '../cli/front/listener.ts';

void listenForFronts(workerData as string).then(() => parentPort?.postMessage('listening'));
