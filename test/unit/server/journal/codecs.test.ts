/** Events and batches survive their encoding; the positional layout is complete by the schema. */
import { expect, test } from 'vitest';
import type * as z from 'zod';
import { eventBody, type HqEvent } from '../../../../src/protocol/schema/event.ts';
import { failureKind, taskState, taskUsage } from '../../../../src/protocol/schema/task.ts';
import { coldEntries, encodeBatch, transferList } from '../../../../src/server/journal/batchCodec.ts';
import { FAILURE_CODE, failureOf, STATE_CODE, stateOf } from '../../../../src/server/journal/codes.ts';
import { decodeEvents, typeBits } from '../../../../src/server/journal/eventCodec.ts';
import { packBytes } from '../../../../src/server/journal/pack.ts';
import { assigned, batchOf, CONFIGURATION, job, pageOf, T0 } from './helpers.ts';

const task = { jobId: 3, taskId: 4_000_000_000, instance: 2 };
const usage = { wallMs: 0.1, userMs: null, systemMs: 2, maxRssBytes: 2 ** 40, peakMemBytes: 2 ** 41 };
const BODIES = [
  { type: 'server-start', serverUid: 'abc123', version: '0.1.0', pid: 1 },
  { type: 'worker-connected', workerId: 1, configuration: CONFIGURATION },
  { type: 'task-started', ...task, workerId: 9, variant: 1 },
  { type: 'task-finished', ...task, usage },
  { type: 'task-finished', ...task, usage: null },
  { type: 'task-failed', ...task, error: 'ö', failure: 'exit', exitCode: 1, signal: null, usage },
  { type: 'tasks-canceled', jobId: 1, ids: '1-10,12' },
  { type: 'server-stop' },
] as const;

test('events come back as they were, whatever the clock did', () => {
  const events = BODIES.map((body, i) => ({ seq: 100 + i, timeMs: T0 + (i % 3 === 2 ? -3_500 : i * 1_000.5), ...body })) as HqEvent[];
  expect(pageOf(events)?.decode()).toEqual(events);
});

test('hot events have no field that the positional layout would lose', () => {
  const fields = (type: string): string[] => {
    const option = eventBody.options.find((candidate) => candidate.shape.type.value === type) as z.ZodObject;
    return Object.keys(option.shape).sort();
  };
  expect(fields('task-started')).toEqual(['instance', 'jobId', 'taskId', 'type', 'variant', 'workerId']);
  expect(fields('task-finished')).toEqual(['instance', 'jobId', 'taskId', 'type', 'usage']);
  expect(Object.keys(taskUsage.shape).sort()).toEqual(['maxRssBytes', 'peakMemBytes', 'systemMs', 'userMs', 'wallMs']);
});

test('events of earlier versions come back without the peak of all processes', () => {
  const { peakMemBytes: _, ...older } = usage;
  const failed = { type: 'task-failed', ...task, error: 'ö', failure: 'exit', exitCode: 1, signal: null, usage: older };
  const blob = packBytes([1, T0, 1, 5, 1, 2, 3, older.wallMs, older.userMs, older.systemMs, older.maxRssBytes, 3, 6, failed]);
  expect(decodeEvents(blob, 7)).toMatchObject([
    { seq: 7, type: 'task-finished', jobId: 1, taskId: 2, instance: 3, usage: { ...older, peakMemBytes: null } },
    { seq: 8, type: 'task-failed', usage: { ...older, peakMemBytes: null } },
  ]);
});

test('damaged and newer blobs of events are refused', () => {
  expect(() => decodeEvents(packBytes([99, 0]), 5)).toThrow('events after number 4 cannot be read');
  expect(() => decodeEvents(packBytes([1, 0, 77, 0, 1, 2, 3]), 5)).toThrow('event 5 is of the unknown kind 77');
  expect(() => decodeEvents(new Uint8Array([0xc1]), 5)).toThrow();
});

test('a page knows its numbers, its time and which kinds it holds', () => {
  const [first, last] = [
    { seq: 7, timeMs: T0, type: 'server-stop' },
    { seq: 8, timeMs: T0 + 5, type: 'job-closed', jobId: 1 },
  ] as const;
  const page = pageOf([first, last]);
  expect(page).toMatchObject({ firstSeq: 7, lastSeq: 8, count: 2, atMs: T0 + 5, types: typeBits(['job-closed', 'server-stop']) });
  expect((page?.types ?? 0) & typeBits(['task-started', 'no-such-kind'])).toBe(0);
  expect(new Set(eventBody.options.map((option) => typeBits([option.shape.type.value]))).size).toBe(eventBody.options.length);
});

test('buffers of a batch are of their own, also after the next batch', () => {
  const first = encodeBatch(batchOf([assigned([1, 2, 3]), job()]));
  const hot = [...first.hot];
  const cold = coldEntries(first);
  const second = encodeBatch(batchOf(Array.from({ length: 2_000 }, () => assigned([7, 8, 9], { workerId: 5 }))));
  expect([...first.hot]).toEqual(hot);
  expect(coldEntries(first)).toEqual(cold);
  expect(second.hot).toHaveLength(2_000 * 7);
  expect(transferList(first)).toEqual([first.hot.buffer, first.cold?.buffer]);
  expect(transferList(second)).toEqual([second.hot.buffer]);
  for (const array of [first.hot, first.cold as Uint8Array, second.hot]) expect(array.byteLength).toBe(array.buffer.byteLength);
});

test('every state and kind of failure has a number of its own, which says it again', () => {
  for (const state of [...taskState.options, 'assigned'] as const) expect(stateOf(STATE_CODE[state])).toBe(state);
  for (const kind of failureKind.options) expect(failureOf(FAILURE_CODE[kind])).toBe(kind);
  expect(() => stateOf(99)).toThrow('99 is no known task state');
});
