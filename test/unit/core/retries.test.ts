/** What happens after a failure: which failures are tried again, when, and with how much memory. */
import { describe, expect, test } from 'vitest';
import { grownRequest, NO_RETRIES, type RetryPolicy } from '../../../src/core/retryPolicy.ts';
import type { AttemptFailure } from '../../../src/protocol/messages/worker.ts';
import { CoreSim, FAILURE, type SimWorker, traits } from '../../helpers/coreSim.ts';

const policy = (o: Partial<RetryPolicy>): RetryPolicy => ({ ...NO_RETRIES, maxRetries: 9, ...o });

/** The only running task of a worker fails, and the server hears of it. */
function fail(sim: CoreSim, worker: SimWorker, failure: AttemptFailure = FAILURE): void {
  const task = worker.tasks.find((candidate) => candidate.running);
  if (task === undefined) throw new Error('nothing runs');
  sim.end(worker, task, failure);
  sim.report(worker);
  sim.receive(worker);
}

function startOne(retry: RetryPolicy, needs: Record<string, number> = { cpus: 1 }): { sim: CoreSim; worker: SimWorker } {
  const sim = new CoreSim();
  const worker = sim.addWorker({ cpus: 1, mem: 1_000 });
  sim.openJob(1);
  sim.submit(1, '0', { traits: traits({ retry, needs }) });
  sim.receive(worker);
  sim.report(worker);
  return { sim, worker };
}

/** Time passes until the next plan is worth it. */
function passTo(sim: CoreSim, nowMs: number): void {
  sim.nowMs = nowMs;
  sim.turn(() => {});
}

describe('the delay', () => {
  test('a failed task waits for it, lets others run meanwhile, and is next when it is over', () => {
    const { sim, worker } = startOne(policy({ delayMs: 5_000 }));
    sim.submit(1, '1-2');
    const failedAtMs = sim.nowMs;
    fail(sim, worker);
    expect(sim.core.wakeAtMs).toBe(failedAtMs + 5_000);
    expect(sim.starts).toEqual(['1.0.0', '1.1.0']);
    expect(sim.changes.find((change) => change.kind === 'requeued')).toMatchObject({
      nextInstance: 1,
      retries: 1,
      dueAtMs: failedAtMs + 5_000,
    });
    passTo(sim, failedAtMs + 4_999);
    expect(sim.core.delayed.countLive(sim.core.tasks)).toBe(1);
    passTo(sim, failedAtMs + 5_000);
    expect(sim.core.delayed.countLive(sim.core.tasks)).toBe(0);
    sim.drain();
    expect(sim.starts.slice(2).sort()).toEqual(['1.0.1', '1.2.0']);
  });

  test('one moment serves all: the plan asks to be called for the earliest', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 3 });
    sim.openJob(1);
    sim.submit(1, '0-2', { traits: [300, 100, 200].map((delayMs) => traits({ retry: policy({ delayMs }) })) });
    sim.receive(worker);
    const failedAtMs = sim.nowMs;
    for (const task of [...worker.tasks]) sim.end(worker, task, FAILURE);
    sim.report(worker);
    const moments: number[] = [];
    while (sim.core.wakeAtMs !== Number.POSITIVE_INFINITY) {
      moments.push(sim.core.wakeAtMs - failedAtMs);
      passTo(sim, sim.core.wakeAtMs);
      sim.receive(worker);
    }
    expect(moments).toEqual([100, 200, 300]);
    expect(sim.starts.slice(3)).toEqual(['1.1.1', '1.2.1', '1.0.1']);
  });

  test('a canceled task does not come back, and nobody is woken for it', () => {
    const { sim, worker } = startOne(policy({ delayMs: 5_000 }));
    fail(sim, worker);
    sim.cancel(1);
    expect(sim.core.wakeAtMs).toBe(Number.POSITIVE_INFINITY);
    expect(sim.core.jobs.get(1)?.stats.canceled).toBe(1);
  });

  test('what depends on a task that is run again waits on', () => {
    const { sim, worker } = startOne(policy({ maxRetries: 1, delayMs: 5_000 }));
    sim.submit(1, '1', { deps: [[0]] });
    fail(sim, worker);
    expect(sim.core.jobs.get(1)?.stats).toMatchObject({ waiting: 2, aborted: 0 });
    passTo(sim, sim.nowMs + 5_000);
    sim.receive(worker);
    fail(sim, worker);
    expect(sim.core.jobs.get(1)?.stats).toMatchObject({ failed: 1, aborted: 1 });
  });

  test('a loss of the worker has no delay', () => {
    const { sim, worker } = startOne(policy({ delayMs: 5_000 }));
    sim.lose(worker);
    expect(sim.core.ready.size).toBe(1);
  });
});

describe('retry-on', () => {
  const on = { codes: [3, 137], signals: ['SIGKILL'], kinds: ['memory-limit' as const] };
  const failure = (o: Partial<AttemptFailure>): AttemptFailure => ({ ...FAILURE, ...o });
  test.each<[string, AttemptFailure, boolean]>([
    ['a code of the list', failure({ exitCode: 3 }), true],
    ['another code', failure({ exitCode: 4 }), false],
    ['a signal of the list', failure({ kind: 'signal', exitCode: null, signal: 'SIGKILL' }), true],
    ['another signal', failure({ kind: 'signal', exitCode: null, signal: 'SIGTERM' }), false],
    ['a reason of the list', failure({ kind: 'memory-limit', exitCode: null }), true],
    ['another reason', failure({ kind: 'time-limit', exitCode: null }), false],
  ])('%s', (_, reason, isTriedAgain) => {
    const { sim, worker } = startOne(policy({ on }));
    fail(sim, worker, reason);
    expect(sim.core.jobs.get(1)?.stats.failed).toBe(isTriedAgain ? 0 : 1);
  });
});

describe('the memory of retries', () => {
  test('each retry asks for more, as the worker is told, and what it held is given back', () => {
    const { sim, worker } = startOne(policy({ memFactor: 1.5 }), { cpus: 1, mem: 100 });
    const free = (): number | undefined => sim.core.workers.get(worker.id)?.free[sim.core.names.idOf('mem')];
    expect(free()).toBe(9_000_000);
    fail(sim, worker);
    expect(worker.tasks[0]?.needs.get('mem')).toBe(1_500_000);
    expect(free()).toBe(8_500_000);
    fail(sim, worker);
    expect(worker.tasks[0]?.needs.get('mem')).toBe(2_250_000);
    sim.drain();
    expect(free()).toBe(10_000_000);
  });

  test('a loss of the worker leaves the request alone', () => {
    const { sim, worker } = startOne(policy({ memFactor: 2 }), { cpus: 1, mem: 100 });
    sim.lose(worker);
    const next = sim.addWorker({ cpus: 1, mem: 1_000 });
    sim.receive(next);
    expect(next.tasks[0]?.needs.get('mem')).toBe(1_000_000);
  });

  test('grows one by one as it does all at once, in every variant that asks for an amount', () => {
    const variant = (entries: { name: string; policy: 'compact' | 'all'; units: number; maxUnits?: number }[]) => {
      return { nodes: 0, minTimeMs: 0, weight: 10_000, entries };
    };
    const request = {
      variants: [
        variant([{ name: 'mem', policy: 'compact', units: 1_000_003, maxUnits: 2_000_001 }]),
        variant([{ name: 'mem', policy: 'all', units: 0 }]),
        variant([{ name: 'cpus', policy: 'compact', units: 10_000 }]),
      ],
    };
    const stepwise = [1, 2, 3].reduce((grown) => grownRequest(grown, 1.3, 1), request as Parameters<typeof grownRequest>[0]);
    expect(grownRequest(request, 1.3, 3)).toEqual(stepwise);
    expect(stepwise.variants[0]?.entries[0]?.units).toBeGreaterThan(2_197_000);
    expect(stepwise.variants.slice(1)).toEqual(request.variants.slice(1));
    expect(grownRequest(request, 100, 1_000).variants[0]?.entries[0]?.units).toBe(2 ** 50);
  });
});
