/**
 * Carries out what was decided about allocations: submits, looks up after a time-out, cancels, asks for their states. Owned by the allocation
 * service. A batch system that does not answer changes nothing: what was under way is taken up again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { toHqError } from '../../protocol/errors.ts';
import type { TurnLoop } from '../turnLoop.ts';
import { type AllocationRecord, afterStatus, type CancelReason, isActive, newAllocation, notSubmitted, submitted } from './allocation.ts';
import { batchErrorKind } from './batchHost.ts';
import { allocationComment, type BatchJobStatus, type BatchSystem } from './batchSystem.ts';
import type { LiveAllocation, LiveQueue, QueueBook } from './book.ts';
import { afterRefusal, afterSilence, afterSubmit } from './failures.ts';
import { allocationDirectory, makeDirectory, type RequestSource, submitRequest } from './request.ts';

/** A server that ends waits so long for a submission that is under way, milliseconds. */
const CLOSE_MS = 5_000;

export interface AllocatorOptions extends RequestSource {
  readonly loop: TurnLoop;
  readonly book: QueueBook;
  /** Unix milliseconds. */
  readonly now: () => number;
  systemOf(name: string): BatchSystem;
  log(line: string): void;
  /** Within a turn: the batch system has it, under an id that is known now. */
  onAccepted(queue: LiveQueue, live: LiveAllocation): void;
  /** Within a turn: it was refused. */
  onRefused(queue: LiveQueue, live: LiveAllocation): void;
  /** Within a turn: it has ended. */
  onEnded(queue: LiveQueue, live: LiveAllocation): void;
  /** Its state is worth asking for soon. */
  onUncertain(systemName: string): void;
}

export class Allocator {
  private readonly o: AllocatorOptions;
  /** Submissions to one batch system go one after the other. */
  private readonly sending = new Map<string, Promise<void>>();
  private readonly canceling = new Set<Promise<void>>();
  private readonly polling = new Set<string>();
  /** What a batch system was last said to suffer from; told once. */
  private readonly troubles = new Map<string, string>();
  private closed = false;

  constructor(options: AllocatorOptions) {
    this.o = options;
  }

  /**
   * Nothing is submitted any more; resolves when what was under way is settled, or after a moment: a batch system that hangs must not keep the
   * server from ending, and the next one looks such a submission up.
   */
  async close(): Promise<void> {
    this.closed = true;
    const patience = new AbortController();
    const settled = Promise.all(this.sending.values()).then(() => patience.abort());
    await Promise.race([settled, delay(CLOSE_MS, undefined, { signal: patience.signal }).catch(() => undefined)]);
  }

  /** Within a turn: a new allocation is written down; it is submitted once that is on disk. */
  begin(queue: LiveQueue, workers: number): void {
    const { book, loop, serverUid, serverDir, now } = this.o;
    const number = queue.record.lastNumber + 1;
    const directory = allocationDirectory(serverDir, queue.record, number);
    const comment = allocationComment(serverUid, queue.record.id, number);
    book.changeQueue(queue, { lastNumber: number });
    const live = book.addAllocation(queue, newAllocation({ queueId: queue.record.id, number, comment, directory, workers, nowMs: now() }));
    loop.afterDurable(() => this.enqueue(queue, live, false), true);
  }

  /** Resolves when the batch systems have been told of everything that is to end. */
  async canceled(): Promise<void> {
    await Promise.all(this.canceling);
  }

  /** Takes up again what is not known to be submitted. */
  resume(queue: LiveQueue, live: LiveAllocation): void {
    if (live.record.phase !== 'submitting' || live.sending === 'under-way') return;
    this.enqueue(queue, live, live.sending === 'unsure');
  }

  private enqueue(queue: LiveQueue, live: LiveAllocation, lookFirst: boolean): void {
    const name = queue.record.params.system;
    live.sending = 'under-way';
    const before = this.sending.get(name) ?? Promise.resolve();
    this.sending.set(
      name,
      before.then(() => this.send(queue, live, lookFirst)),
    );
  }

  private async send(queue: LiveQueue, live: LiveAllocation, lookFirst: boolean): Promise<void> {
    const { record } = live;
    let mayBeThere = lookFirst;
    try {
      const system = this.o.systemOf(queue.record.params.system);
      const found = lookFirst ? (await system.find([record.comment])).get(record.comment) : undefined;
      mayBeThere = false;
      if (found !== undefined) return this.accepted(queue, live, found);
      // Whatever happens from here on begins with an allocation that the batch system does not have.
      if (this.closed || live.record.cancel !== null || queue.record.state === 'draining') return this.abandoned(queue, live);
      if (queue.record.state === 'paused') {
        live.sending = 'unsent';
        return;
      }
      makeDirectory(record.directory);
      const { number, workers, directory } = record;
      this.accepted(queue, live, await system.submit(submitRequest(this.o, queue.record, { number, workers, directory })));
    } catch (error) {
      this.failed(queue, live, { error, mayBeThere });
    }
  }

  private accepted(queue: LiveQueue, live: LiveAllocation, id: string): void {
    this.o.loop.post(() => {
      const { book } = this.o;
      book.changeAllocation(live, submitted(live.record, id));
      this.o.log(`allocation ${id} of queue ${queue.record.id} is submitted (${live.record.workers} workers)`);
      const failures = afterSubmit(queue.record.failures);
      if (failures.submits !== queue.record.failures.submits || failures.lastError !== queue.record.failures.lastError) {
        book.changeQueue(queue, { failures });
      }
      this.o.onAccepted(queue, live);
      if (live.record.cancel !== null) this.tellEnd(queue.record.params.system, [id]);
    });
  }

  /** It is not submitted, because it is no longer wanted. A server that ends keeps it for the next one. */
  private abandoned(queue: LiveQueue, live: LiveAllocation): void {
    live.sending = 'unsent';
    if (this.closed && live.record.cancel === null) return;
    this.o.loop.post(() => {
      const record: AllocationRecord = {
        ...live.record,
        cancel: live.record.cancel ?? 'removed',
      };
      this.o.book.changeAllocation(live, notSubmitted(record, this.o.now()));
      this.o.onEnded(queue, live);
    });
  }

  private failed(queue: LiveQueue, live: LiveAllocation, o: { error: unknown; mayBeThere: boolean }): void {
    const kind = batchErrorKind(o.error);
    const error = toHqError(o.error).message;
    const nowMs = this.o.now();
    // Whatever keeps it from being looked up: as long as it may be there, it has not failed, and must not be submitted again.
    if (kind === 'unreachable' || kind === 'timedOut' || o.mayBeThere) {
      this.trouble(queue.record.params.system, error);
      this.o.loop.post(() => {
        live.sending = kind === 'timedOut' || o.mayBeThere ? 'unsure' : 'unsent';
        this.o.book.changeQueue(queue, { failures: afterSilence(queue.record.failures, { error, nowMs }) });
      });
      return;
    }
    this.o.log(`queue ${queue.record.id}: ${error}`);
    this.o.loop.post(() => {
      const { book } = this.o;
      book.changeAllocation(live, { ...notSubmitted(live.record, nowMs), statusText: error });
      book.changeQueue(queue, { failures: afterRefusal(queue.record.failures, { error, nowMs }) });
      this.o.onRefused(queue, live);
    });
  }

  /** Within a turn: these are to end; the batch system is told once that is on disk, and again until they have. */
  cancel(items: readonly { queue: LiveQueue; live: LiveAllocation }[], reason: CancelReason): void {
    const bySystem = new Map<string, string[]>();
    for (const { queue, live } of items) {
      if (!isActive(live.record)) continue;
      this.o.book.changeAllocation(live, { ...live.record, cancel: live.record.cancel ?? reason });
      const { batchId } = live.record;
      const name = queue.record.params.system;
      if (batchId !== null) bySystem.set(name, [...(bySystem.get(name) ?? []), batchId]);
      else if (live.sending === 'unsent') this.abandoned(queue, live);
      else this.resume(queue, live);
    }
    for (const [name, ids] of bySystem) this.o.loop.afterDurable(() => this.tellEnd(name, ids), true);
  }

  private tellEnd(name: string, ids: readonly string[]): void {
    const telling = this.cancelAtSystem(name, ids).finally(() => this.canceling.delete(telling));
    this.canceling.add(telling);
  }

  private async cancelAtSystem(name: string, ids: readonly string[]): Promise<void> {
    try {
      await this.o.systemOf(name).cancel(ids);
    } catch (error) {
      this.trouble(name, toHqError(error).message);
    }
    this.o.onUncertain(name);
  }

  /** Asks for the states of all allocations of one batch system, in one call. @returns false when it did not answer */
  async poll(name: string): Promise<boolean> {
    if (this.polling.has(name)) return true;
    const known = this.o.book.active().filter(({ queue, live }) => queue.record.params.system === name && live.record.batchId !== null);
    if (known.length === 0) return true;
    this.polling.add(name);
    try {
      const system = this.o.systemOf(name);
      const statuses = await system.poll(known.map(({ live }) => live.record.batchId as string));
      this.troubles.delete(name);
      this.o.loop.post(() => {
        for (const { queue, live } of known) {
          const status = statuses.get(live.record.batchId as string);
          if (status !== undefined) this.take(queue, live, { status, text: system.explain(status) });
        }
      });
      const again = known.filter(({ live }) => live.record.cancel !== null && isGoingOn(statuses.get(live.record.batchId as string)));
      if (again.length > 0) await system.cancel(again.map(({ live }) => live.record.batchId as string));
      return true;
    } catch (error) {
      this.trouble(name, toHqError(error).message);
      return false;
    } finally {
      this.polling.delete(name);
    }
  }

  private take(queue: LiveQueue, live: LiveAllocation, o: { status: BatchJobStatus; text: string }): void {
    if (!isActive(live.record)) return;
    this.o.book.changeAllocation(live, afterStatus(live.record, o.status, { nowMs: this.o.now(), text: o.text }));
    if (!isActive(live.record)) this.o.onEnded(queue, live);
  }

  private trouble(name: string, text: string): void {
    if (this.troubles.get(name) === text) return;
    this.troubles.set(name, text);
    this.o.log(text);
  }
}

function isGoingOn(status: BatchJobStatus | undefined): boolean {
  return status !== undefined && status.state !== 'ended' && status.state !== 'vanished';
}
