/** When a queue rests and when it is paused, and what the end of an allocation says of its queue. */
import { describe, expect, test } from 'vitest';
import {
  type AllocationEnd,
  afterEnd,
  afterRefusal,
  afterSilence,
  afterSubmit,
  FAILURE_LIMITS,
  judge,
  NO_FAILURES,
  reasonToPause,
} from '../../../../src/server/autoalloc/failures.ts';

const MINUTE_MS = 60_000;
const at = { nowMs: 1_000, error: 'x' };

describe('a rest', () => {
  test('grows with the failures in a row: 1, 15, 30, 60 minutes', () => {
    let count = NO_FAILURES;
    const rests = [1, 2, 3, 4, 5, 6].map(() => {
      count = afterRefusal(count, at);
      return (count.restsUntilMs - at.nowMs) / MINUTE_MS;
    });
    expect(rests).toEqual([1, 15, 30, 60, 60, 60]);
  });

  test('is short after silence, which counts as no failure and never shortens another rest', () => {
    expect(afterSilence(NO_FAILURES, at)).toEqual({ submits: 0, allocations: 0, restsUntilMs: 16_000, lastError: 'x' });
    const refused = afterRefusal(NO_FAILURES, at);
    expect(afterSilence(refused, at).restsUntilMs).toBe(refused.restsUntilMs);
  });

  test('ends its row with a success: submissions and allocations are counted apart', () => {
    const both = afterEnd(afterRefusal(NO_FAILURES, at), { verdict: 'bad', ...at });
    expect(afterSubmit(both)).toMatchObject({ submits: 0, allocations: 1, lastError: 'x' });
    expect(afterEnd(both, { verdict: 'neutral', ...at })).toBe(both);
    expect(afterEnd(both, { verdict: 'good', ...at })).toEqual({ submits: 1, allocations: 0, restsUntilMs: 0, lastError: null });
  });
});

test('a queue is paused after ten refusals or three failed allocations in a row, with the last reason', () => {
  let [submits, allocations] = [NO_FAILURES, NO_FAILURES];
  for (let i = 1; i < 10; i += 1) submits = afterRefusal(submits, at);
  for (let i = 1; i < 3; i += 1) allocations = afterEnd(allocations, { verdict: 'bad', ...at });
  expect([reasonToPause(submits, FAILURE_LIMITS), reasonToPause(allocations, FAILURE_LIMITS)]).toEqual([null, null]);
  expect(reasonToPause(afterRefusal(submits, at), FAILURE_LIMITS)).toBe('10 submissions in a row failed; the last one: x');
  const third = afterEnd(allocations, { verdict: 'bad', ...at });
  expect(reasonToPause(third, FAILURE_LIMITS)).toBe('3 allocations in a row failed; the last one: x');
  expect(reasonToPause(afterEnd(NO_FAILURES, { verdict: 'bad', ...at }), { submits: 1, allocations: 1 })).toBe(
    'one allocation failed; the last one: x',
  );
});

describe('an allocation that', () => {
  const end = (o: Partial<AllocationEnd>): AllocationEnd => ({ outcome: 'finished', canceledByUs: false, wasOfUse: true, ...o });

  test.each([
    ['has done its work', end({}), 'good'],
    ['ran until its time limit', end({ outcome: 'timed out' }), 'good'],
    ['is no longer known, but was of use', end({ outcome: 'vanished' }), 'good'],
    ['ended in order before a worker came', end({ wasOfUse: false }), 'bad'],
    ['reached its time limit before a worker came', end({ outcome: 'timed out', wasOfUse: false }), 'bad'],
    ['is no longer known, and no worker came', end({ outcome: 'vanished', wasOfUse: false }), 'bad'],
    ['failed before a worker came', end({ outcome: 'failed', wasOfUse: false }), 'bad'],
    ['could not be launched', end({ outcome: 'launch failed', wasOfUse: false }), 'bad'],
    ['failed after it had been of use', end({ outcome: 'failed' }), 'neutral'],
    ['ran out of memory after it had been of use', end({ outcome: 'out of memory' }), 'neutral'],
    ['was preempted', end({ outcome: 'preempted', wasOfUse: false }), 'neutral'],
    ['lost a node', end({ outcome: 'node failed', wasOfUse: false }), 'neutral'],
    ['had a node that did not boot', end({ outcome: 'boot failed', wasOfUse: false }), 'neutral'],
    ['somebody has canceled', end({ outcome: 'canceled' }), 'bad'],
    ['we have canceled', end({ outcome: 'canceled', wasOfUse: false, canceledByUs: true }), 'neutral'],
  ])('%s', (_, one, verdict) => {
    expect(judge(one)).toBe(verdict);
  });
});
