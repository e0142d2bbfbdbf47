/**
 * What to ask of the batch systems now: which allocations to submit, which to cancel. Pure; called by the allocation service between two
 * turns, in two steps around the scheduler's what-if: `questionOf` says what each queue may ask for, `decide` turns the answer into actions.
 *
 * Rules: an active queue never has more than its backlog of queued allocations nor more workers (queued and running) than its maximum; it rests
 * after failures; an allocation that is queued and would get nothing is canceled after a moment; queues with plain workers come before
 * those with special ones, so that these are left to the tasks that need them.
 */
import type { ExpectedWorkers, Offer, WhatIf, WorkerShape } from '../../core/query.ts';

/** On allocations that have been queued for longer, other queues no longer count: the batch system has no place for them. */
export const LATE_AFTER_MS: number = 300_000;

/** A queued allocation of which the batch system says that it never starts is given up after this time. */
export const HOPELESS_AFTER_MS: number = 60_000;

export interface QueueFacts {
  readonly id: number;
  readonly isActive: boolean;
  readonly backlog: number;
  readonly maxWorkersPerAllocation: number;
  /** Infinity for no limit. */
  readonly maxWorkers: number;
  readonly shape: WorkerShape;
  /** Nothing is submitted before, Unix milliseconds. */
  readonly restsUntilMs: number;
  /** Those that have not ended, the oldest first. */
  readonly allocations: readonly AllocationFacts[];
}

export interface AllocationFacts {
  readonly number: number;
  /** `queued`: submitted or being submitted, has not started. */
  readonly phase: 'queued' | 'running';
  /** Nodes of the allocation. */
  readonly workers: number;
  /** Workers of it that are still to connect. */
  readonly coming: number;
  readonly queuedAtMs: number;
  /** Since when the batch system says that it never starts; null: it does not. */
  readonly hopelessSinceMs: number | null;
  /** Since when it is known that it would get no work; null: it would. */
  readonly uselessSinceMs: number | null;
  /** It is to be ended already. */
  readonly isEnding: boolean;
}

/** What keeps a queue from submitting, however much waits; null: nothing. */
export type SubmitObstacle =
  | { readonly kind: 'paused' }
  | { readonly kind: 'resting'; readonly untilMs: number }
  | { readonly kind: 'backlog'; readonly queued: number }
  | { readonly kind: 'max-workers'; readonly workers: number };

export function obstacleOf(queue: QueueFacts, nowMs: number): SubmitObstacle | null {
  if (!queue.isActive) return { kind: 'paused' };
  if (queue.restsUntilMs > nowMs) return { kind: 'resting', untilMs: queue.restsUntilMs };
  const workers = workerCount(queue);
  if (workers >= queue.maxWorkers) return { kind: 'max-workers', workers };
  const queued = queuedCount(queue);
  return queued >= queue.backlog ? { kind: 'backlog', queued } : null;
}

function queuedCount(queue: QueueFacts): number {
  return queue.allocations.filter(({ phase }) => phase === 'queued').length;
}

function workerCount(queue: QueueFacts): number {
  return queue.allocations.reduce((sum, { workers }) => sum + workers, 0);
}

interface Place {
  readonly queue: QueueFacts;
  readonly allocation: AllocationFacts;
}

/** What the scheduler is asked, and whose each part is. */
export interface Question {
  readonly expected: readonly ExpectedWorkers[];
  readonly offers: readonly Offer[];
  readonly expectedPlaces: readonly Place[];
  readonly offerPlaces: readonly { readonly queue: QueueFacts; readonly late: readonly Place[] }[];
}

/** @param nowMs Unix milliseconds */
export function questionOf(queues: readonly QueueFacts[], nowMs: number): Question {
  const ordered = [...queues].sort(bySpeciality);
  const places = ordered.flatMap((queue) => queue.allocations.filter(isComing).map((allocation): Place => ({ queue, allocation })));
  const isLate = ({ allocation }: Place): boolean => allocation.phase === 'queued' && nowMs - allocation.queuedAtMs > LATE_AFTER_MS;
  const expectedPlaces = places.filter((place) => !isLate(place));
  const offerPlaces = ordered.map((queue) => ({ queue, late: places.filter((place) => place.queue === queue && isLate(place)) }));
  return {
    expectedPlaces,
    offerPlaces,
    expected: expectedPlaces.map(expectedOf),
    offers: offerPlaces.map(({ queue, late }) => ({ ...limitsOf(queue, nowMs), late: late.map(expectedOf) })),
  };
}

/** Fewer kinds of resources first; those of which not everything is known last. */
function bySpeciality(a: QueueFacts, b: QueueFacts): number {
  return Number(a.shape.isOpen) - Number(b.shape.isOpen) || a.shape.resources.size - b.shape.resources.size || a.id - b.id;
}

function isComing({ coming, isEnding }: AllocationFacts): boolean {
  return coming > 0 && !isEnding;
}

function expectedOf({ queue, allocation }: Place): ExpectedWorkers {
  return { shape: queue.shape, workers: allocation.coming };
}

function limitsOf(queue: QueueFacts, nowMs: number): Omit<Offer, 'late'> {
  const { shape, maxWorkersPerAllocation } = queue;
  if (obstacleOf(queue, nowMs) !== null) return { shape, maxWorkersPerAllocation, maxAllocations: 0, maxWorkers: 0 };
  return {
    shape,
    maxWorkersPerAllocation,
    maxAllocations: queue.backlog - queuedCount(queue),
    maxWorkers: queue.maxWorkers - workerCount(queue),
  };
}

export type Action =
  | { readonly kind: 'submit'; readonly queueId: number; readonly workers: number }
  | { readonly kind: 'cancel'; readonly queueId: number; readonly number: number; readonly reason: 'useless' | 'hopeless' };

export interface Decision {
  readonly actions: readonly Action[];
  /** Allocations that would get no work, though they are on their way: [queue, number]. */
  readonly useless: readonly (readonly [queueId: number, number: number])[];
}

export interface DecideOptions {
  /** The same as of the question. */
  readonly nowMs: number;
  /** A queued allocation that would get no work is canceled after this time, milliseconds: there are gaps between the steps of a workflow. */
  readonly cancelAfterMs: number;
}

/** @param answer of `whatIf` to this question */
export function decide(question: Question, answer: WhatIf, { nowMs, cancelAfterMs }: DecideOptions): Decision {
  const actions: Action[] = [];
  const useless: [number, number][] = [];
  const review = ({ queue, allocation }: Place, used: number): void => {
    if (allocation.phase !== 'queued') return;
    const end = (reason: 'useless' | 'hopeless') => actions.push({ kind: 'cancel', queueId: queue.id, number: allocation.number, reason });
    const isOver = (sinceMs: number | null, afterMs: number): boolean => sinceMs !== null && nowMs - sinceMs >= afterMs;
    if (used === 0) useless.push([queue.id, allocation.number]);
    if (used === 0 && isOver(allocation.uselessSinceMs, cancelAfterMs)) end('useless');
    else if (isOver(allocation.hopelessSinceMs, HOPELESS_AFTER_MS)) end('hopeless');
  };
  question.expectedPlaces.forEach((place, index) => {
    review(place, answer.expected[index] ?? 0);
  });
  question.offerPlaces.forEach(({ queue, late }, index) => {
    const taken = answer.offers[index];
    late.forEach((place, at) => {
      review(place, taken?.late[at] ?? 0);
    });
    for (const workers of taken?.allocations ?? []) actions.push({ kind: 'submit', queueId: queue.id, workers });
  });
  return { actions, useless };
}
