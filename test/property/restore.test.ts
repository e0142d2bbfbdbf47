/**
 * A server that dies at any moment and starts again knows what it knew, and the history goes on to the same end: every task ends exactly
 * once, no instance starts twice, closed jobs complete once, their rows are given back.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Change } from '../../src/core/outbox.ts';
import { createJob } from '../../src/protocol/schema/job.ts';
import { type SubmitInput, submit } from '../../src/protocol/schema/task.ts';
import { FAILURE, type SimWorker } from '../helpers/coreSim.ts';
import { ServerSim } from '../helpers/serverSim.ts';

const pick = fc.nat();
const tasks = fc.record({
  count: fc.integer({ min: 1, max: 5 }),
  cpus: fc.integer({ min: 1, max: 3 }),
  gpu: fc.constantFrom(0, 0, 1),
  priority: fc.integer({ min: -1, max: 1 }),
  retries: fc.integer({ min: 0, max: 2 }),
  retryDelayMs: fc.constantFrom(undefined, undefined, 250),
  retryMemFactor: fc.constantFrom(undefined, undefined, 1.5),
  crashLimit: fc.constantFrom('unlimited' as const, 'never-restart' as const, 1, 2),
  timeRequestMs: fc.constantFrom(0, 0, 300),
  nodes: fc.constantFrom(0, 0, 0, 0, 2),
  deps: fc.boolean(),
  /** Which job it waits for, and which of its tasks; null: none, all. */
  after: fc.option(fc.record({ job: fc.nat(), task: fc.option(fc.nat(), { nil: null }) }), { nil: null, freq: 2 }),
  secret: fc.boolean(),
});

const step = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('create' as const), open: fc.boolean(), maxFails: fc.constantFrom(undefined, 0, 1), tasks }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('submit' as const), pick, tasks }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), pick }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('modify' as const),
      pick,
      which: fc.option(fc.nat(), { nil: undefined }),
      priority: fc.option(fc.integer({ min: -2, max: 2 }), { nil: undefined }),
      timeLimitMs: fc.constantFrom(undefined, null, 60_000),
      maxRetries: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
      crashLimit: fc.constantFrom(undefined, 1, 'unlimited' as const),
      maxFails: fc.constantFrom(undefined, null, 0, 3),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), pick, which: fc.option(fc.nat(), { nil: null }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('join' as const),
      cpus: fc.integer({ min: 1, max: 4 }),
      gpus: fc.integer({ min: 0, max: 1 }),
      lifetimeMs: fc.constantFrom(Number.POSITIVE_INFINITY, 500),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('receive' as const), pick }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('report' as const), pick }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('end' as const), pick, which: fc.nat(), fail: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('lose' as const, 'leave' as const, 'disconnect' as const), pick }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('reconnect' as const), pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 400 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
/** `null`: the server dies with the next step in memory only. */
const history = fc.array(fc.oneof({ weight: 12, arbitrary: step }, { weight: 1, arbitrary: fc.constant(null) }), {
  minLength: 5,
  maxLength: 70,
});

function chosen<T>(list: readonly T[], index: number): T | undefined {
  return list[index % Math.max(1, list.length)];
}

function requestOf(spec: typeof tasks extends fc.Arbitrary<infer T> ? T : never) {
  return [
    { resources: { cpus: spec.cpus, mem: '100', ...(spec.gpu > 0 ? { gpus: spec.gpu } : {}) }, timeRequestMs: spec.timeRequestMs },
    { resources: { cpus: 4 } },
  ];
}

/** A graph whose tasks may depend on a task of the job or of the submit before them, and which may wait for tasks of any job. */
function submitOf(sim: ServerSim, spec: typeof tasks extends fc.Arbitrary<infer T> ? T : never, firstId: number): SubmitInput {
  const shared = {
    command: ['true'],
    request: spec.nodes > 0 ? [{ nodes: spec.nodes }] : requestOf(spec),
    ...{ priority: spec.priority, maxRetries: spec.retries, crashLimit: spec.crashLimit },
    ...(spec.retryDelayMs === undefined ? {} : { retryDelayMs: spec.retryDelayMs }),
    ...(spec.retryMemFactor === undefined ? {} : { retryMemFactor: spec.retryMemFactor }),
    ...(spec.secret ? { env: { KEY: 'secret' }, secretEnv: ['KEY'] } : {}),
  };
  const list = Array.from({ length: spec.count }, (_, i) =>
    spec.deps && firstId + i > 0 ? { deps: [((firstId + i) * 7) % (firstId + i)] } : {},
  );
  const awaited =
    spec.after === null
      ? undefined
      : chosen(
          [...sim.core.jobs.values()].filter(({ taskCount }) => taskCount > 0),
          spec.after.job,
        );
  const which = spec.after?.task ?? null;
  const afterOk =
    awaited === undefined
      ? {}
      : { afterOk: [{ job: awaited.id, ...(which === null ? {} : { tasks: String(which % (awaited.maxTaskId + 1)) }) }] };
  return { submitDir: '/w', ...afterOk, tasks: { kind: 'graph', shared, tasks: list } };
}

function applyToJobs(sim: ServerSim, next: Extract<Step, { do: 'create' | 'submit' | 'close' | 'cancel' | 'modify' }>): void {
  const jobs = [...sim.core.jobs.values()];
  // A refusal of the service would be a rejected promise; the steps below are such that there is none.
  switch (next.do) {
    case 'create': {
      const { open, maxFails } = next;
      const given = { name: 'job', open, ...(maxFails === undefined ? {} : { maxFails }), submit: submitOf(sim, next.tasks, 0) };
      void sim.jobs.createJob(createJob.parse(given));
      return;
    }
    case 'submit': {
      const job = chosen(
        jobs.filter(({ open }) => open),
        next.pick,
      );
      if (job !== undefined) void sim.jobs.submitTasks(job.id, submit.parse(submitOf(sim, next.tasks, job.maxTaskId + 1)));
      return;
    }
    case 'close': {
      const job = chosen(
        jobs.filter(({ open }) => open),
        next.pick,
      );
      if (job !== undefined) void sim.jobs.closeJob(job.id);
      return;
    }
    case 'modify': {
      const job = chosen(jobs, next.pick);
      const { do: _do, pick: _pick, which, ...change } = next;
      const some = which === undefined || job === undefined || job.taskCount === 0 ? {} : { taskIds: String(which % (job.maxTaskId + 1)) };
      if (job !== undefined) void sim.jobs.modify(job.id, { ...some, ...change });
      return;
    }
    case 'cancel': {
      const job = chosen(jobs, next.pick);
      const some =
        next.which === null || job === undefined || job.taskCount === 0 ? {} : { taskIds: String(next.which % (job.maxTaskId + 1)) };
      if (job !== undefined) void sim.jobs.cancel(job.id, some);
    }
  }
}

function apply(sim: ServerSim, next: Step): void {
  const workers = [...sim.workers.values()];
  const connected = workers.filter((worker) => worker.connected);
  switch (next.do) {
    case 'create':
    case 'submit':
    case 'close':
    case 'cancel':
    case 'modify':
      return applyToJobs(sim, next);
    case 'join':
      if (workers.length < 5)
        sim.addWorker({ cpus: next.cpus, mem: 250, ...(next.gpus === 0 ? {} : { gpus: next.gpus }) }, next.lifetimeMs);
      return;
    case 'wait':
      sim.nowMs += next.ms;
      return;
    case 'end': {
      const worker = chosen(workers, next.pick);
      const task = chosen(worker?.tasks.filter((candidate) => candidate.running) ?? [], next.which);
      if (worker !== undefined && task !== undefined) sim.end(worker, task, next.fail ? FAILURE : null);
      return;
    }
    default: {
      const worker = chosen(next.do === 'reconnect' ? workers.filter((candidate) => !candidate.connected) : connected, next.pick);
      if (worker !== undefined) applyToWorker(sim, worker, next.do);
    }
  }
}

function applyToWorker(
  sim: ServerSim,
  worker: SimWorker,
  what: 'receive' | 'report' | 'lose' | 'leave' | 'disconnect' | 'reconnect',
): void {
  switch (what) {
    case 'receive':
      return sim.receive(worker);
    case 'report':
      return sim.report(worker);
    case 'lose':
      return sim.lose(worker);
    case 'leave':
      return sim.lose(worker, 'STOPPED');
    case 'disconnect':
      return sim.disconnect(worker);
    case 'reconnect':
      return sim.reconnect(worker);
  }
}

/** Only what changes the server's memory may be its last act: a worker that comes or starts something would not be undone. */
function isLastAct(next: Step | null | undefined): next is Step {
  return (
    next !== null && next !== undefined && ['create', 'submit', 'close', 'cancel', 'modify', 'report', 'lose', 'leave'].includes(next.do)
  );
}

function ends(changes: readonly Change[]): string[] {
  return changes.flatMap((change) => {
    if (change.kind === 'finished' || change.kind === 'failed') return [`${change.jobId}.${change.taskId}`];
    if (change.kind !== 'dropped') return [];
    return [...change.taskIds, ...change.held.map((task) => task.taskId)].map((id) => `${change.jobId}.${id}`);
  });
}

test('a server that dies at any moment goes on where it was', () => {
  const runs = Number(process.env['HQ_PROPERTY_RUNS'] ?? 300);
  fc.assert(
    fc.property(history, (steps) => {
      const sim = new ServerSim();
      for (let i = 0; i < steps.length; i += 1) {
        const next = steps[i];
        if (next !== null && next !== undefined) {
          apply(sim, next);
          continue;
        }
        const before = sim.picture();
        const last = steps[i + 1];
        if (isLastAct(last)) i += 1;
        sim.crash(() => {
          if (isLastAct(last)) apply(sim, last);
        });
        expect(sim.picture()).toEqual(before);
      }
      for (const job of [...sim.core.jobs.values()]) if (job.open) void sim.jobs.closeJob(job.id);
      for (const worker of [...sim.workers.values()]) if (!worker.connected) sim.reconnect(worker);
      for (let i = 0; i < 2; i += 1) sim.addWorker({ cpus: 4, gpus: 2, mem: 250 });
      sim.drain();
      expect(sim.picture()).toEqual({});
      expect(sim.core.jobs.size).toBe(0);
      expect(sim.core.tasks.freeRows).toBe(sim.core.tasks.rowCount);
      expect(sim.model.restored().jobs).toEqual([]);
      // An instance is started at most once, wherever and by whichever server.
      expect(new Set(sim.starts).size).toBe(sim.starts.length);
      const ended = ends(sim.changes);
      expect(new Set(ended).size).toBe(ended.length);
      const completed = sim.changes.flatMap((change) => (change.kind === 'job-completed' ? [change.jobId] : []));
      expect(new Set(completed).size).toBe(completed.length);
    }),
    { numRuns: runs },
  );
});
