/** What is repeated after a reconnect, and whose end it tells. */
import { expect, test } from 'vitest';
import {
  UPDATE_FAILED as FAILED,
  UPDATE_FINISHED as FINISHED,
  UPDATE_NOTIFIED as NOTIFIED,
  UPDATE_STARTED as STARTED,
} from '../../../src/protocol/messages/worker.ts';
import { decodeFromWorker } from '../../../src/protocol/messages/workerCodec.ts';
import { Undelivered } from '../../../src/worker/undelivered.ts';

test('every frame that was not confirmed, in order; starts and messages end no task', () => {
  const undelivered = new Undelivered();
  undelivered.add([[STARTED, 1, 1, 0, 5, 0]], undefined);
  undelivered.add([[NOTIFIED, 1, 1, 0, 6, 'half done']], undefined);
  const failure = { kind: 'exit', error: 'x', exitCode: 1, signal: null } as const;
  undelivered.add(
    [
      [FINISHED, 1, 2, 0, 7, null],
      [FAILED, 1, 3, 4, 8, null, failure],
    ],
    undefined,
  );
  undelivered.acknowledge(1);
  const { bodies, ended } = undelivered.repeat();
  expect(bodies.map(decodeFromWorker).map(([kind, seq]) => [kind, seq])).toEqual([
    ['updates', 2],
    ['updates', 3],
  ]);
  expect(ended).toEqual([
    [1, 2, 0],
    [1, 3, 4],
  ]);
});
