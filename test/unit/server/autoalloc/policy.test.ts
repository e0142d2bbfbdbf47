/** What each queue may ask for, in which order queues are asked, and which allocations are given up. */
import { describe, expect, test } from 'vitest';
import type { WhatIf } from '../../../../src/core/query.ts';
import {
  type AllocationFacts,
  decide,
  HOPELESS_AFTER_MS,
  LATE_AFTER_MS,
  obstacleOf,
  type QueueFacts,
  questionOf,
} from '../../../../src/server/autoalloc/policy.ts';

const NOW = 10_000_000;

function shape(names: readonly string[], isOpen = false): QueueFacts['shape'] {
  return { resources: new Map(names.map((name) => [name, 10_000])), isOpen, lifetimeMs: 1_000, minUtilization: 0 };
}

function queue(o: Partial<QueueFacts> = {}): QueueFacts {
  return {
    id: 1,
    isActive: true,
    backlog: 2,
    maxWorkersPerAllocation: 4,
    maxWorkers: 10,
    shape: shape(['cpus', 'mem']),
    restsUntilMs: 0,
    allocations: [],
    ...o,
  };
}

function allocation(o: Partial<AllocationFacts> = {}): AllocationFacts {
  return {
    number: 1,
    phase: 'queued',
    workers: 1,
    coming: 1,
    queuedAtMs: NOW,
    hopelessSinceMs: null,
    uselessSinceMs: null,
    isEnding: false,
    ...o,
  };
}

describe('a queue may ask', () => {
  test('for what its backlog and its maximum leave', () => {
    const one = queue({ allocations: [allocation({ workers: 3 }), allocation({ number: 2, phase: 'running', workers: 4, coming: 0 })] });
    expect(questionOf([one], NOW).offers).toMatchObject([{ maxAllocations: 1, maxWorkers: 3, maxWorkersPerAllocation: 4 }]);
    expect(obstacleOf(one, NOW)).toBeNull();
  });

  test.each([
    ['paused', queue({ isActive: false }), { kind: 'paused' }],
    ['resting', queue({ restsUntilMs: NOW + 1 }), { kind: 'resting', untilMs: NOW + 1 }],
    ['its backlog is full', queue({ backlog: 1, allocations: [allocation()] }), { kind: 'backlog', queued: 1 }],
    ['it has its workers', queue({ maxWorkers: 1, allocations: [allocation({ phase: 'running' })] }), { kind: 'max-workers', workers: 1 }],
  ])('for nothing while %s', (_, one, obstacle) => {
    expect(obstacleOf(one, NOW)).toEqual(obstacle);
    expect(questionOf([one], NOW).offers).toMatchObject([{ maxAllocations: 0, maxWorkers: 0 }]);
  });
});

test('queues with special resources come after plain ones, those of which not everything is known last', () => {
  const queues = [
    queue({ id: 1, shape: shape(['cpus'], true) }),
    queue({ id: 2, shape: shape(['cpus', 'gpus', 'mem']) }),
    queue({ id: 4 }),
    queue({ id: 3 }),
  ];
  expect(questionOf(queues, NOW).offerPlaces.map((place) => place.queue.id)).toEqual([3, 4, 2, 1]);
});

test('workers on their way are expected; late ones by their own queue only, ending ones by nobody', () => {
  const late = allocation({ number: 2, queuedAtMs: NOW - LATE_AFTER_MS - 1 });
  const running = allocation({ number: 4, phase: 'running', queuedAtMs: 0, workers: 3, coming: 2 });
  const one = queue({ backlog: 9, allocations: [allocation(), late, allocation({ number: 3, isEnding: true }), running] });
  const question = questionOf([one, queue({ id: 2 })], NOW);
  expect(question.expected.map(({ workers }) => workers)).toEqual([1, 2]);
  expect(question.offers.map((offer) => offer.late.length)).toEqual([1, 0]);
});

describe('a queued allocation', () => {
  const answer = (used: number): WhatIf => ({ expected: [used], offers: [{ late: [], allocations: [] }] });
  const outcome = (one: AllocationFacts, used: number) =>
    decide(questionOf([queue({ allocations: [one] })], NOW), answer(used), { nowMs: NOW, cancelAfterMs: 100 });

  test('that would get nothing is canceled, after a moment', () => {
    expect(outcome(allocation(), 0)).toEqual({ actions: [], useless: [[1, 1]] });
    expect(outcome(allocation({ uselessSinceMs: NOW - 99 }), 0).actions).toEqual([]);
    const cancel = { kind: 'cancel', queueId: 1, number: 1, reason: 'useless' };
    expect(outcome(allocation({ uselessSinceMs: NOW - 100 }), 0).actions).toEqual([cancel]);
    expect(outcome(allocation({ uselessSinceMs: NOW - 100 }), 1)).toEqual({ actions: [], useless: [] });
    expect(outcome(allocation({ uselessSinceMs: NOW - 100, phase: 'running' }), 0)).toEqual({ actions: [], useless: [] });
  });

  test('that never starts is given up', () => {
    expect(outcome(allocation({ hopelessSinceMs: NOW - HOPELESS_AFTER_MS + 1 }), 1).actions).toEqual([]);
    const cancel = { kind: 'cancel', queueId: 1, number: 1, reason: 'hopeless' };
    expect(outcome(allocation({ hopelessSinceMs: NOW - HOPELESS_AFTER_MS }), 1).actions).toEqual([cancel]);
  });
});
