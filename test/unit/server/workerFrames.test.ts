/** Messages that are too large for one frame are spread over several, in order and without loss. */
import { expect, test } from 'vitest';
import type { ToWorker, WireBody, WireTask } from '../../../src/protocol/messages/worker.ts';
import { decodeToWorker } from '../../../src/protocol/messages/workerCodec.ts';
import { encodeFitting } from '../../../src/server/workerFrames.ts';

const body = (index: number): WireBody => ({
  ...{ command: ['true'], env: { INDEX: String(index) }, cwd: '/w', stdout: null, stderr: null, stdin: Buffer.alloc(1_000, index) },
  ...{ submitDir: '/w', stream: null, timeLimitMs: null, priority: 0, request: [{ nodes: 0, minTimeMs: 0, weight: 10_000, entries: [] }] },
});

test('large tasks are spread over frames below the limit', () => {
  const bodies = Array.from({ length: 7 }, (_, index) => body(index));
  const tasks = Array.from({ length: 21 }, (_, id): WireTask => [1, id, 0, id % 7, null, 0]);
  const message: ToWorker = ['compute', bodies, tasks];
  const frames = encodeFitting(message, 4_000);
  expect(frames.length).toBeGreaterThan(1);
  expect(Math.max(...frames.map((frame) => frame.length))).toBeLessThanOrEqual(4_000);
  const told = frames
    .map((frame) => decodeToWorker(frame))
    .flatMap((part) => (part[0] === 'compute' ? part[2].map((task) => [task[1], part[1][task[3]]?.env['INDEX']]) : []));
  expect(told).toEqual(tasks.map((task) => [task[1], String((task[1] as number) % 7)]));
});

test('the names of nodes go with their tasks', () => {
  const spread = { ...body(1), request: [{ nodes: 2, minTimeMs: 0, weight: 10_000, entries: [] }] };
  const tasks: WireTask[] = [0, 1, 2].map((id) => [1, id, 0, 0, null, 0, [`root${id}`, 'node']]);
  const frames = encodeFitting(['compute', [spread], tasks], 1);
  expect(frames).toHaveLength(3);
  expect(frames.map((frame) => decodeToWorker(frame)[2])).toEqual(tasks.map((task) => [task]));
});

test('what fits stays one frame', () => {
  expect(encodeFitting(['compute', [body(0)], [[1, 0, 0, 0, null, 0]]])).toHaveLength(1);
  expect(encodeFitting(['ack', 3])).toHaveLength(1);
});
