/** The pure parts of `hq compare`: figures, words, timelines, page. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ComparedRun, ComparedSlurmJob, ComparedTask, CompareSetting } from '../../../src/protocol/schema/compare.ts';
import { compareReport } from '../../../src/protocol/schema/compare.ts';
import { makeReport, nodeHoursAllocated, nodeHoursUsed, overheadMs } from '../../../src/report/compare/figures.ts';
import { comparePage } from '../../../src/report/compare/page.ts';
import { compareHead, compareRows } from '../../../src/report/compare/rows.ts';
import { jobBars, lastMoment, noticedSteps, runningSteps } from '../../../src/report/compare/timeline.ts';
import { median } from '../../../src/report/median.ts';
import { tickStep } from '../../../src/report/svg.ts';

const SETTING: CompareSetting = {
  kind: 'array',
  createdAt: '2026-01-02T03:04:05.000Z',
  host: 'login1',
  slurm: '22.05.8',
  partition: 'general',
  nodes: 4,
  nodeCpus: 4,
  timeLimitMs: 600_000,
  command: ['echo', '<b>&'],
  tasks: 2,
};

const task = (o: Partial<ComparedTask> = {}): ComparedTask => ({
  name: '0',
  submittedMs: 0,
  startedMs: 500,
  endedMs: 600,
  noticedMs: 1_000,
  runMs: 100,
  cpus: 2,
  failed: false,
  ...o,
});

const job = (o: Partial<ComparedSlurmJob> = {}): ComparedSlurmJob => ({
  id: '7',
  state: 'COMPLETED',
  startedMs: 0,
  endedMs: 2_000,
  cpus: 4,
  ...o,
});

const run = (o: Partial<ComparedRun> = {}): ComparedRun => ({
  side: 'hyperqueue',
  repeat: 1,
  startedAtMs: 1_700_000_000_000,
  wallMs: 1_000,
  cpuMs: 300,
  tasks: [task(), task({ name: '1', noticedMs: 1_200, failed: true })],
  slurmJobs: [job()],
  calls: { sbatch: 1, squeue: 2, sacct: 0, scancel: 1, scontrol: 1, sinfo: 0, srun: 3 },
  rpcs: { total: 40, user: 9, byType: { REQUEST_JOB_INFO: 9 } },
  files: { inodes: 12, logFiles: 3 },
  ...o,
});

describe('figures', () => {
  test('the median is a value of the list, or lies in the middle of two, and does not depend on their order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 1 }), (values) => {
        const middle = median(values) as number;
        const below = values.filter((value) => value < middle).length;
        const above = values.filter((value) => value > middle).length;
        expect(Math.max(below, above)).toBeLessThanOrEqual(values.length / 2);
        expect(median(values.toReversed())).toBe(middle);
      }),
      { numRuns: 500 },
    );
    expect(median([])).toBeUndefined();
  });

  test('what a task costs is the time until its end was noticed without its run time, of those of which both are known', () => {
    const tasks = [task(), task({ submittedMs: 100 }), task({ noticedMs: null }), task({ runMs: null })];
    expect(overheadMs(run({ tasks }))).toBe(850);
    expect(overheadMs(run({ tasks: [] }))).toBeUndefined();
  });

  test('node-hours are CPU time by the CPUs of a node; jobs that never started count nothing', () => {
    const slurmJobs = [job({ endedMs: 3_600_000 }), job({ endedMs: 3_600_000, cpus: 1 }), job({ startedMs: null })];
    expect(nodeHoursAllocated(run({ slurmJobs }), 4)).toBe(1.25);
    expect(nodeHoursAllocated(run({ slurmJobs: [job(), job({ state: 'UNKNOWN', startedMs: null })] }), 4)).toBeUndefined();
    expect(nodeHoursUsed(run({ tasks: [task({ runMs: 3_600_000 }), task({ runMs: null })] }), 4)).toBe(0.5);
    expect(nodeHoursUsed(run({ tasks: [] }), 4)).toBeUndefined();
  });

  test('each side has the median and the range of its repeats, and nothing where nothing is known', () => {
    const runs = [run(), run({ repeat: 2, wallMs: 3_000, rpcs: null }), run({ side: 'sbatch-array', tasks: [], rpcs: null })];
    const report = makeReport(SETTING, runs);
    expect(compareReport.parse(report)).toEqual(report);
    const [ours, theirs] = report.figures;
    expect(ours).toMatchObject({ side: 'hyperqueue', runs: 2, wallMs: { median: 2_000, least: 1_000, most: 3_000 } });
    expect(ours).toMatchObject({ failures: { median: 1 }, otherCalls: { median: 5 }, rpcs: { median: 9, least: 9, most: 9 } });
    expect(theirs).toMatchObject({ side: 'sbatch-array', runs: 1, overheadMs: null, rpcs: null, nodeHoursUsed: null });
  });

  test('rows say one number where all repeats agree, else the range, and - where nothing is known', () => {
    const report = makeReport(SETTING, [run(), run({ repeat: 2, wallMs: 12_340 }), run({ side: 'sbatch', rpcs: null })]);
    const cells = Object.fromEntries(compareRows(report).map((row) => [row.name, row.cells]));
    expect(compareHead(report)).toEqual(['', 'hq on allocations', 'one sbatch per task']);
    expect(cells['wall time']).toEqual(['6.67 s (1.00 s .. 12.3 s)', '1.00 s']);
    expect(cells['controller requests']).toEqual(['9', '-']);
    expect(cells['per task beyond its run time']).toEqual(['1.00 s', '1.00 s']);
  });
});

const moments = fc.array(fc.tuple(fc.nat(1_000), fc.nat(1_000)), { maxLength: 40 });

describe('timelines', () => {
  test('as many tasks run at a moment as have started and not ended', () => {
    fc.assert(
      fc.property(moments, fc.nat(2_000), (pairs, atMs) => {
        const tasks = pairs.map(([startedMs, lastedMs]) => task({ startedMs, endedMs: startedMs + lastedMs }));
        const steps = runningSteps(run({ tasks }));
        const shown = steps.findLast((step) => step.atMs <= atMs)?.value;
        expect(shown).toBe(pairs.filter(([startMs, lastedMs]) => startMs <= atMs && startMs + lastedMs > atMs).length);
        expect(steps.every((step, index) => index === 0 || step.atMs > (steps[index - 1]?.atMs ?? 0))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('noticed ends add up to the tasks that were noticed; clocks that are behind draw nothing before the start', () => {
    const tasks = [task({ noticedMs: 10 }), task({ noticedMs: 10 }), task({ noticedMs: null }), task({ startedMs: -5, noticedMs: 20 })];
    expect(noticedSteps(run({ tasks }))).toEqual([
      { atMs: 0, value: 0 },
      { atMs: 10, value: 2 },
      { atMs: 20, value: 3 },
    ]);
    expect(runningSteps(run({ tasks }))[0]).toEqual({ atMs: 0, value: 1 });
  });

  test('bars of one lane never overlap, and there are as many lanes as jobs at once', () => {
    fc.assert(
      fc.property(moments, (pairs) => {
        const slurmJobs = pairs.map(([startedMs, lastedMs], index) =>
          job({ id: String(index), startedMs, endedMs: startedMs + lastedMs + 1 }),
        );
        const bars = jobBars(run({ slurmJobs }), '#000');
        expect(bars).toHaveLength(pairs.length);
        for (const one of bars)
          for (const other of bars)
            if (one !== other && one.lane === other.lane) expect(one.endMs <= other.startMs || other.endMs <= one.startMs).toBe(true);
        const most = Math.max(0, ...bars.map(({ startMs }) => bars.filter((bar) => bar.startMs <= startMs && bar.endMs > startMs).length));
        expect(new Set(bars.map(({ lane }) => lane)).size).toBe(most);
      }),
      { numRuns: 500 },
    );
  });

  test('the axis ends where the last thing ends, with a few ticks at round numbers', () => {
    expect(lastMoment([run({ wallMs: 5 }), run({ slurmJobs: [job({ endedMs: 9_000 }), job({ endedMs: null })] })])).toBe(9_000);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000_000 }), (endMs) => {
        const step = tickStep(endMs);
        expect(String(step)).toMatch(/^[125]0*$/);
        expect(endMs / step).toBeLessThanOrEqual(10);
      }),
      { numRuns: 500 },
    );
  });
});

describe('page', () => {
  const report = makeReport(SETTING, [run(), run({ side: 'sbatch-array', slurmJobs: [job({ id: '8_0', state: '<i>' })] })]);
  const page = comparePage(report);

  test('it needs nothing from elsewhere and runs nothing', () => {
    expect(page).not.toMatch(/https?:|src=|url\(|<script|<link|@import/);
  });

  test('what comes from outside is text', () => {
    expect(page).toContain('echo &#60;b&#62;&#38;');
    expect(page).toContain('&#60;i&#62;');
    expect(page).not.toContain('<i>');
  });

  test('both sides are on one time axis, each with its running tasks and its jobs', () => {
    expect(page.match(/<svg/g)).toHaveLength(5);
    expect(page.match(/<rect/g)).toHaveLength(2);
    expect(page).toContain('job 8_0, 4 CPUs, 0 s to 2 s');
    for (const title of ['hq on allocations', 'one sbatch --array']) expect(page).toContain(`${title}: jobs of Slurm`);
  });

  test('a page without a single job, task or repeat is a page', () => {
    expect(comparePage(makeReport(SETTING, [run({ tasks: [], slurmJobs: [] })]))).toContain('Repeat 1');
    expect(comparePage(makeReport(SETTING, []))).toContain('</html>');
  });
});
