/**
 * Messages to workers as frames that the worker accepts: tasks with large commands or inputs are spread over several. Called by the worker
 * gateway for everything that a turn has decided.
 */
import { FRAME_LIMIT_BYTES, type ToWorker, type WireBody, type WireTask } from '../protocol/messages/worker.ts';
import { encodeToWorker } from '../protocol/messages/workerCodec.ts';

/**
 * @param limitBytes largest frame; one task must fit into it
 * @returns bodies of frames that together say what the message says, in its order
 */
export function encodeFitting(message: ToWorker, limitBytes: number = FRAME_LIMIT_BYTES): Uint8Array[] {
  const frame = encodeToWorker(message);
  if (frame.length <= limitBytes || message[0] !== 'compute' || message[2].length < 2) return [frame];
  const [, bodies, tasks] = message;
  const middle = tasks.length >> 1;
  return [tasks.slice(0, middle), tasks.slice(middle)].flatMap((half) => encodeFitting(computeOf(bodies, half), limitBytes));
}

/** A message of these tasks with the bodies that they use. */
function computeOf(bodies: readonly WireBody[], tasks: readonly WireTask[]): ToWorker {
  const used: WireBody[] = [];
  const index = new Map<number, number>();
  const moved = tasks.map(([job, task, instance, body, entry, variant, nodes]): WireTask => {
    let at = index.get(body);
    if (at === undefined) {
      at = used.push(bodies[body] as WireBody) - 1;
      index.set(body, at);
    }
    return nodes === undefined ? [job, task, instance, at, entry, variant] : [job, task, instance, at, entry, variant, nodes];
  });
  return ['compute', used, moved];
}
