/** The pure parts of `hq report snakemake` and `hq logs snakemake`: attempts out of events, advice, words, page, choice of jobs. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { failureCard } from '../../../src/cli/snakemake/failureCard.ts';
import { isChosen, ruleOf } from '../../../src/cli/snakemake/run.ts';
import type { EventBody, HqEvent } from '../../../src/protocol/schema/event.ts';
import { type JobAttempt, snakemakeReport } from '../../../src/protocol/schema/snakemakeReport.ts';
import { type TaskDetail, taskSpec } from '../../../src/protocol/schema/task.ts';
import { attemptsOf } from '../../../src/report/snakemake/attempts.ts';
import { snakemakePage } from '../../../src/report/snakemake/page.ts';
import { adviceText, RULE_HEAD, ruleRows, rulesCsv } from '../../../src/report/snakemake/rows.ts';
import { makeReport } from '../../../src/report/snakemake/rules.ts';

const MIB = 1024 * 1024;
const JOB = { jobId: 3, name: 'snakemake-x', startedAt: '2026-01-02T03:04:05.000Z' };

function eventsOf(bodies: readonly (readonly [timeMs: number, body: EventBody])[]): HqEvent[] {
  return bodies.map(([timeMs, body], index) => ({ seq: index + 1, timeMs, ...body }));
}

const usage = (wallMs: number, cpuMs: number, peakMib: number) => ({
  ...{ wallMs, userMs: cpuMs, systemMs: 0, maxRssBytes: null, peakMemBytes: peakMib * MIB },
});
const started = (taskId: number, instance: number, workerId = 1): EventBody => ({
  ...{ type: 'task-started', jobId: 3, taskId, instance, workerId, variant: 0 },
});

function attempt(given: Partial<JobAttempt> = {}): JobAttempt {
  return {
    ...{ taskId: 1, instance: 0, rule: 'a', label: 'a', worker: 1, submittedMs: 0, startedMs: 10, endedMs: 10_010 },
    ...{ outcome: 'finished', reason: null, failure: null, cpus: 4, memBytes: 1_000 * MIB, limitMs: 3_600_000 },
    ...{ wallMs: 10_000, cpuMs: 10_000, peakMemBytes: 100 * MIB },
    ...given,
  };
}

const reportOf = (...attempts: JobAttempt[]) => makeReport({ job: JOB, attempts, hosts: new Map([[1, 'node1']]) });
const adviceOf = (...attempts: JobAttempt[]) => reportOf(...attempts).rules[0]?.advice;

describe('attempts', () => {
  test('a lost worker makes two of one job; waiting counts for the first; what runs is cut off', () => {
    const spec = taskSpec.parse({ command: ['x'], request: [{ resources: { cpus: 2, mem: 500 } }], timeLimitMs: 60_000 });
    const job = (rule: string) => ({ rule, label: rule, spec });
    const { startedAtMs, attempts } = attemptsOf({
      events: eventsOf([
        [1_000, { type: 'tasks-submitted', jobId: 3, ids: '1-3' }],
        [1_500, started(1, 0)],
        [2_000, { type: 'task-restarted', jobId: 3, taskId: 1, instance: 0, cause: 'worker-lost', error: null }],
        [3_000, started(1, 1, 2)],
        [3_100, started(2, 0)],
        [4_000, { type: 'task-finished', jobId: 3, taskId: 1, instance: 1, usage: usage(900, 700, 30) }],
        [5_000, { type: 'tasks-canceled', jobId: 3, ids: '3' }],
      ]),
      jobs: new Map([1, 2, 3].map((id) => [id, job('a')])),
      nowMs: 6_000,
    });
    expect(startedAtMs).toBe(1_000);
    expect(attempts.map(({ taskId, instance, outcome }) => [taskId, instance, outcome])).toEqual([
      [1, 0, 'restarted'],
      [1, 1, 'finished'],
      [2, 0, 'running'],
    ]);
    expect(attempts[0]).toMatchObject({ submittedMs: 0, startedMs: 500, endedMs: 1_000, reason: 'worker-lost', cpuMs: null, wallMs: 500 });
    expect(attempts[1]).toMatchObject({ submittedMs: null, worker: 2, cpuMs: 700, wallMs: 900, peakMemBytes: 30 * MIB });
    expect(attempts[1]).toMatchObject({ cpus: 2, memBytes: 500 * MIB, limitMs: 60_000 });
    expect(attempts[2]).toMatchObject({ endedMs: 5_000 });
  });

  test('every start becomes one attempt that does not end before it began', () => {
    const ending = fc.constantFrom('finished', 'restarted', 'none');
    const lives = fc.array(fc.record({ task: fc.integer({ min: 1, max: 4 }), gap: fc.integer({ min: -5, max: 50 }), ending }), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(lives, (steps) => {
        const bodies: [number, EventBody][] = [[0, { type: 'tasks-submitted', jobId: 3, ids: '1-4' }]];
        const open = new Set<number>();
        let [now, starts] = [0, 0];
        for (const { task, gap, ending: how } of steps) {
          now += gap;
          if (!open.has(task)) {
            bodies.push([now, started(task, 0)]);
            open.add(task);
            starts += 1;
          } else if (how !== 'none') {
            const end = { jobId: 3, taskId: task, instance: 0 };
            bodies.push([
              now,
              how === 'finished'
                ? { type: 'task-finished', ...end, usage: null }
                : { type: 'task-restarted', ...end, cause: 'retry', error: 'x' },
            ]);
            open.delete(task);
          }
        }
        const { attempts } = attemptsOf({ events: eventsOf(bodies), jobs: new Map(), nowMs: now });
        expect(attempts).toHaveLength(starts);
        for (const { startedMs, endedMs, wallMs } of attempts) {
          expect(endedMs).toBeGreaterThanOrEqual(startedMs);
          expect(wallMs).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});

describe('advice', () => {
  test('asks for what was used and some more', () => {
    expect(adviceOf(attempt())).toEqual({ threads: 1, mem_mb: 150, runtime: 1 });
    expect(adviceOf(attempt({ cpuMs: 21_500, peakMemBytes: 800 * MIB, wallMs: 10_000, limitMs: 60_000 }))).toEqual({
      ...{ threads: 2, mem_mb: null, runtime: null },
    });
  });

  test('leaves alone what fits, and what nobody knows', () => {
    expect(adviceOf(attempt({ cpuMs: 39_000, memBytes: 130 * MIB, limitMs: 60_000 }))).toEqual({
      threads: null,
      mem_mb: null,
      runtime: null,
    });
    expect(adviceOf(attempt({ cpuMs: null, peakMemBytes: null, limitMs: 60_000 }))).toEqual({ threads: null, mem_mb: null, runtime: null });
    // Too short to tell how many CPUs it needs.
    expect(adviceOf(attempt({ wallMs: 500, cpuMs: 10 }))?.threads).toBeNull();
    expect(adviceOf(attempt({ outcome: 'failed', failure: 'exit' }))).toEqual({ threads: null, mem_mb: null, runtime: null });
  });

  test('doubles a limit that has ended a job', () => {
    const killed = { outcome: 'failed', memBytes: 100 * MIB, limitMs: 60_000 } as const;
    expect(adviceOf(attempt({ ...killed, failure: 'memory-limit' }))?.mem_mb).toBe(200);
    expect(adviceOf(attempt({ ...killed, failure: 'time-limit' }))?.runtime).toBe(2);
  });
});

test('the report fits its schema, and its words are those of the figures', () => {
  const report = reportOf(
    attempt(),
    attempt({ taskId: 2, rule: 'b,"c', label: '<b>', outcome: 'failed', failure: 'exit', reason: 'no & no' }),
  );
  expect(snakemakeReport.parse(report)).toEqual(report);
  expect(ruleRows(report).map((row) => row.length)).toEqual([RULE_HEAD.length, RULE_HEAD.length]);
  expect(ruleRows(report)[0]).toEqual(['a', '1', '0', '4 / 1', '25 %', '1000 MiB / 100 MiB', '60 min / 10 s', '10 s', '0 s']);
  expect(adviceText(report)).toBe(
    [
      'rule a:',
      '    threads: 1  # asked for 4, kept busy 1',
      '    resources:',
      '        mem_mb=150,  # asked for 1000 MiB, peak 100 MiB',
      '        runtime=1,  # minutes; limit 60, longest 10 s',
    ].join('\n'),
  );
  const csv = rulesCsv(report).split('\r\n');
  expect(csv[2]?.startsWith('"b,""c",1,1,1,4,')).toBe(true);
  const page = snakemakePage(report);
  expect(page).not.toContain('<b>');
  expect(page).toContain('no &#38; no');
  expect(page.match(/<svg/g)).toHaveLength(2);
});

test('jobs are chosen by rule and wildcards', () => {
  const label = 'align s=a,unit=x/y z';
  expect([ruleOf(label), ruleOf('group_a'), ruleOf(null)]).toEqual(['align', 'group_a', '']);
  const chosen = (rule: string | undefined, ...wildcards: string[]): boolean => isChosen(label, { rule, wildcards });
  expect(chosen('align', 's=a', 'unit=x/y z')).toBe(true);
  expect(chosen(undefined, 'unit=x/y z')).toBe(true);
  expect(chosen('align', 's=')).toBe(false);
  expect(chosen('align', 'unit=x/y')).toBe(false);
  expect(chosen('ali')).toBe(false);
});

test.each<[Partial<TaskDetail>, string]>([
  [{ failure: 'exit', exitCode: 3 }, 'exit code 3'],
  [{ failure: 'signal', signal: 'SIGSEGV' }, 'killed by signal SIGSEGV'],
  [{ failure: 'time-limit' }, 'it exceeded its time limit of 1m (resource runtime)'],
  [{ failure: 'memory-limit', error: 'too much' }, 'memory limit (resource mem_mb): too much'],
  [{ failure: 'worker-lost', error: 'gone' }, 'gone'],
])('a failed job tells why: %j', (given, reason) => {
  const spec = taskSpec.parse({ command: ['sh', '-c', 'x y'], request: [{ resources: { mem: 500 } }], timeLimitMs: 60_000 });
  const task: TaskDetail = {
    ...{ jobId: 3, id: 7, label: 'a s=1', state: 'failed', instance: 0, workers: [1], startedAtMs: 0, finishedAtMs: 2_000, cwd: null },
    ...{ stdout: null, stderr: null, error: null, failure: null, exitCode: null, signal: null, usage: usage(2_000, 1, 30), spec },
    ...{ deps: [], afterOk: [], entry: null },
    ...given,
  };
  expect(failureCard({ task, host: 'node1', lines: { stdout: [], stderr: ['oh', 'no'] } })).toBe(
    `# a s=1 (task 7 of job 3) failed on node1 after 2s: ${reason}
  command: sh -c x y
  peak memory: 30 MiB, requested: 500 MiB
  last lines:
    oh
    no
`,
  );
  const both = failureCard({ task, host: undefined, lines: { stdout: ['out'], stderr: ['err'] } });
  expect(both).toMatch(/\n {2}last lines on standard output:\n {4}out\n {2}last lines:\n {4}err\n$/);
  expect(failureCard({ task, host: undefined, lines: { stdout: [], stderr: [] } })).toMatch(/\n {2}it has printed nothing\n$/);
  expect(failureCard({ task, host: undefined, lines: undefined })).toMatch(/\n {2}what it has printed was not kept\n$/);
});
