/** Traits of a graph: shared where tasks say nothing of their own, and what the core then keeps per task. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { onJobCreated, onSubmit } from '../../../src/core/reactor/onSubmit.ts';
import type { GraphTask, TaskPatch } from '../../../src/protocol/schema/task.ts';
import { submit as submitSchema } from '../../../src/protocol/schema/task.ts';
import { type CheckedSubmit, checkSubmit } from '../../../src/server/submitCheck.ts';
import { CoreSim } from '../../helpers/coreSim.ts';

const NEW_JOB = { jobId: 1, maxTaskId: -1, has: () => false };

const patches: fc.Arbitrary<TaskPatch> = fc.record(
  {
    request: fc.constantFrom(
      [{ nodes: 0, timeRequestMs: 0, weight: 1, resources: { cpus: 2 } }],
      [{ nodes: 0, timeRequestMs: 5, weight: 1, resources: { cpus: 'all' } }],
    ),
    pin: fc.constant('omp' as const),
    priority: fc.integer({ min: -2, max: 2 }),
    crashLimit: fc.constantFrom(2, 'unlimited' as const),
    maxRetries: fc.integer({ min: 0, max: 2 }),
    retryDelayMs: fc.integer({ min: 0, max: 2 }),
    retryOn: fc.constantFrom([1], ['signal' as const]),
    retryMemFactor: fc.integer({ min: 1, max: 2 }),
    timeLimitMs: fc.integer({ min: 1, max: 2 }),
    label: fc.constant('a label'),
  },
  { requiredKeys: [] },
);

function check(shared: TaskPatch, tasks: readonly GraphTask[]): CheckedSubmit {
  return checkSubmit(
    submitSchema.parse({ submitDir: '/', tasks: { kind: 'graph', shared: { command: ['true'], ...shared }, tasks } }),
    NEW_JOB,
  );
}

describe('a graph', () => {
  test('gives every task the traits that it would have alone', () => {
    fc.assert(
      fc.property(patches, fc.array(patches, { minLength: 1, maxLength: 6 }), (shared, tasks) => {
        const alone = tasks.map((task) => check(shared, [task]).traits[0]);
        expect(check(shared, tasks).traits).toEqual(alone);
      }),
    );
  });

  test('has one object for tasks that only differ in what the scheduler does not see', () => {
    const tasks = [{ label: 'a' }, { priority: 1 }, { command: ['false'], env: { A: '1' } }];
    const [first, second, third] = check({ priority: 5 }, tasks).traits;
    expect(third).toBe(first);
    expect(second).toMatchObject({ priority: 1 });
    expect(first).toMatchObject({ priority: 5 });
  });

  test('enters the core with what each task asks for, also between tasks that share', () => {
    const priorities = [undefined, undefined, 7, undefined, 8, 8];
    const checked = check(
      { priority: 3 },
      priorities.map((priority) => (priority === undefined ? {} : { priority })),
    );
    const sim = new CoreSim();
    onJobCreated(sim.core, { jobId: 1, open: false, maxFails: null });
    onSubmit(sim.core, sim, { jobId: 1, submitIndex: 0, nowMs: 0, ...checked });
    const { base } = sim.core.jobs.get(1)?.segments[0] ?? { base: -1 };
    expect([...sim.core.tasks.priority.slice(base, base + 6)]).toEqual([3, 3, 7, 3, 8, 8]);
  });
});
