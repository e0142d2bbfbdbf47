/**
 * The server's one loop: events are collected, one coalesced turn applies them all, plans if something changed, and hands the result to
 * the journal as one transaction. Frames leave when it is committed, acknowledgements and answers when it is on disk.
 *
 * Modes: `idle` (nothing waits) -> `scheduled` (a turn will run with this round of the event loop) -> `running` -> `idle`;
 * any -> `failed` (the journal or a turn failed: nothing runs any more, whoever waits for an answer is told).
 */

import type { Core } from '../core/core.ts';
import { checkInvariants } from '../core/invariants.ts';
import { plan } from '../core/schedule/plan.ts';
import { HqError } from '../protocol/errors.ts';
import type { ToWorker } from '../protocol/messages/worker.ts';
import type { EventPage } from './journal/eventCodec.ts';
import type { Journal } from './journal/types.ts';
import type { Recorder } from './recorder.ts';
import type { WrapperEnd } from './wrapperEnds.ts';

/** Node's timers hold no longer time, milliseconds. */
export const LONGEST_TIMER_MS = 0x7fff_ffff;

type Mode = 'idle' | 'scheduled' | 'running' | 'failed';

/** Applies one event to the core; runs inside a turn and must not throw for anything a peer can cause. */
export type TurnStep = () => void;

export interface TurnLoopOptions {
  readonly core: Core;
  readonly recorder: Recorder;
  readonly journal: Journal;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Check the core's invariants after every turn (HQ_PARANOID=1). */
  readonly paranoid: boolean;
  sendFrames(workerId: number, frames: readonly ToWorker[]): void;
  publish(events: EventPage): void;
  jobsCompleted(jobIds: readonly number[]): void;
  leaveExitCodes(ends: readonly WrapperEnd[]): void;
  /** The journal failed or a step threw: the server cannot go on. */
  fatal(error: Error): void;
}

interface Waiting {
  readonly ticket: number;
  readonly action: () => void;
}

export class TurnLoop {
  private readonly o: TurnLoopOptions;
  private mode: Mode = 'idle';
  private steps: TurnStep[] = [];
  /** Actions of the turn that is being built. */
  private turnCommitted: (() => void)[] = [];
  private turnDurable: (() => void)[] = [];
  private turnNeedsFsync = false;
  private readonly onCommitted: Waiting[] = [];
  private readonly onDurable: Waiting[] = [];
  private lastTicket = 0;
  private reached = { committed: 0, durable: 0 };
  private failure: Error | null = null;
  private wakeTimer: NodeJS.Timeout | undefined;
  private clockStopped = false;
  /** Tells those who wait for an answer that none will come. */
  private readonly refusals = new Set<(error: Error) => void>();

  constructor(options: TurnLoopOptions) {
    this.o = options;
    options.journal.onCommit((tickets) => {
      this.reached = tickets;
      try {
        this.runReachedActions();
      } catch (error) {
        this.fail(error);
      }
    });
    options.journal.onError((_ticket, error) => this.fail(error));
  }

  /** Resolves when the loop has failed. */
  whenFailed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.failure !== null) resolve();
      else this.refusals.add(() => resolve());
    });
  }

  /** Adds a step to the next turn. */
  post(step: TurnStep): void {
    if (this.mode === 'failed') return;
    this.steps.push(step);
    if (this.mode === 'idle') this.schedule();
  }

  /** Within a step: run `action` once this turn is committed (it survives the death of the process). */
  afterCommit(action: () => void): void {
    this.turnCommitted.push(action);
  }

  /** Within a step: run `action` once this turn is on disk. `fsync`: now rather than within the usual delay. */
  afterDurable(action: () => void, fsync: boolean): void {
    this.turnDurable.push(action);
    this.turnNeedsFsync ||= fsync;
  }

  /**
   * Posts a step and resolves once what it changed is on disk.
   * @throws HqError what the step throws, which must have changed nothing; the error of the journal when it fails
   */
  transact<T>(step: () => T): Promise<T> {
    if (this.failure !== null) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.refusals.add(reject);
      this.post(() => {
        const before = this.o.recorder.size;
        try {
          const value = step();
          this.afterDurable(() => {
            this.refusals.delete(reject);
            resolve(value);
          }, true);
        } catch (error) {
          this.refusals.delete(reject);
          reject(error);
          // A defect that struck half-way: memory and journal would part.
          if (!(error instanceof HqError) && this.o.recorder.size !== before) throw error;
        }
      });
    });
  }

  private run(): void {
    this.mode = 'running';
    try {
      // Steps posted meanwhile (by callbacks of this turn) belong to the next one.
      const steps = this.steps;
      this.steps = [];
      for (const step of steps) step();
      if (this.o.recorder.planAsked) this.plan();
      if (this.o.paranoid) checkInvariants(this.o.core);
      this.flush();
    } catch (error) {
      return this.fail(error);
    }
    // Unless the turn was told meanwhile that the journal has failed.
    if (this.failure !== null) return;
    this.mode = 'idle';
    if (this.steps.length > 0) this.schedule();
  }

  private plan(): void {
    const nowMs = this.o.now();
    plan(this.o.core, this.o.recorder, nowMs);
    clearTimeout(this.wakeTimer);
    const { wakeAtMs } = this.o.core;
    if (wakeAtMs === Number.POSITIVE_INFINITY || this.clockStopped) return;
    // One timer for all that waits for a moment; it may come late, never early.
    const delayMs = Math.min(Math.max(1, Math.ceil(wakeAtMs - nowMs)), LONGEST_TIMER_MS);
    this.wakeTimer = setTimeout(() => this.post(() => this.o.recorder.askPlan()), delayMs);
    this.wakeTimer.unref();
  }

  /** Nothing is planned by time any more, so that no turn comes after the end of the journal. */
  stopClock(): void {
    this.clockStopped = true;
    clearTimeout(this.wakeTimer);
  }

  private schedule(): void {
    this.mode = 'scheduled';
    setImmediate(() => {
      if (this.mode === 'scheduled') this.run();
    });
  }

  private fail(thrown: unknown): void {
    if (this.failure !== null) return;
    this.failure = thrown instanceof Error ? thrown : new Error(String(thrown));
    this.mode = 'failed';
    this.stopClock();
    this.steps = [];
    const refusals = [...this.refusals];
    this.refusals.clear();
    for (const refuse of refusals) refuse(this.failure);
    this.o.fatal(this.failure);
  }

  private flush(): void {
    const { entries, events, frames, completedJobs, wrapperEnds } = this.o.recorder.take();
    const [committed, durable] = [this.turnCommitted, this.turnDurable];
    this.turnCommitted = [];
    this.turnDurable = [];
    if (entries.length > 0 || events !== null) {
      this.lastTicket = this.o.journal.append({ entries, events, durable: this.turnNeedsFsync });
    }
    this.turnNeedsFsync = false;
    const ticket = this.lastTicket;
    this.onCommitted.push({
      ticket,
      action: () => {
        // First the actions: a worker's welcome goes before its first tasks.
        for (const action of committed) action();
        for (const [workerId, messages] of frames) this.o.sendFrames(workerId, messages);
        if (events !== null) this.o.publish(events);
        if (completedJobs.length > 0) this.o.jobsCompleted(completedJobs);
        if (wrapperEnds.length > 0) this.o.leaveExitCodes(wrapperEnds);
      },
    });
    for (const action of durable) this.onDurable.push({ ticket, action });
    // A turn without changes waits for nothing new: what its ticket stands for may be reached already.
    if (entries.length === 0 && events === null) this.runReachedActions();
  }

  private runReachedActions(): void {
    runReached(this.onCommitted, this.reached.committed);
    runReached(this.onDurable, this.reached.durable);
  }
}

/** Runs and removes the actions at the head of the queue whose ticket is reached. */
function runReached(queue: Waiting[], ticket: number): void {
  let count = 0;
  while (count < queue.length && (queue[count] as Waiting).ticket <= ticket) count += 1;
  for (const { action } of queue.splice(0, count)) action();
}
