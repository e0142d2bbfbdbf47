/**
 * What the executor plugin costs Snakemake's main process: 500, 2,000 and 8,000 jobs that do nothing, beside an executor that starts
 * nothing; and how soon Snakemake knows that a job has ended. Slow, so only when asked for. Called by run.mjs.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun } from '../../scripts/lib/command.mjs';
import { inRoot, venvBin } from '../../scripts/lib/paths.mjs';
import { ready } from '../../scripts/lib/steps.mjs';
import { Cluster } from './lib/cluster.mjs';
import { figure } from './lib/figures.mjs';
import { treeCpuMs } from './lib/processes.mjs';
import { median, Samples } from './lib/statistics.mjs';

const CPUS = 2;
const SIZES = { full: [500, 2_000, 8_000], quick: [10, 40] };
const CHAIN = { full: 40, quick: 5 };
/** The list of tasks has pages of at most this many. */
const PAGE = 100_000;
/** Of tasks that are there to keep CPUs busy: more than can end meanwhile. */
const MOST_TASKS = 100_000;
const PYTHON = inRoot('test/bench/lib/snakemake');
/** What the profile that `hq snakemake profile` writes says, too. */
const PROFILE = ['--jobs', '10000', '--max-jobs-per-timespan', '10000/1s'];
const SCHEDULER = 'hyperqueue';
/** Snakemake's own scheduler looks at each job for each job: with more of them it takes minutes. */
const PEER_SCHEDULER = 'greedy';
const PEER_JOBS = 2_000;
/**
 * Main process beside the executor that starts nothing; milliseconds of the executor itself per job; wall time beside the CPU time of all; files; seconds. With fewer jobs
 * the start counts too much.
 */
const GOALS_FROM = 2_000;
const GOALS = { cpu: 1.2, ownMs: 0.3, jobS: 0.06, wall: 1.2, files: 10, noticedS: 0.1 };

const wide = (jobs) => `rule all:
    input: expand("{n}.txt", n=range(${jobs}))
rule a:
    output: "{n}.txt"
    shell: "touch {output}"
`;
/** One job at a time, each long enough that Snakemake has nothing else to do when it ends. */
const chain = (jobs) => `rule all:
    input: "${jobs}.txt"
rule first:
    output: "0.txt"
    shell: "touch {output}"
rule next:
    input: lambda wildcards: f"{int(wildcards.n) - 1}.txt"
    output: "{n}.txt"
    wildcard_constraints: n="[1-9][0-9]*"
    shell: "sleep 0.3; touch {output}"
`;

/** @param {{ rounds: number, quick: boolean }} options */
export async function run({ rounds, quick }) {
  await ready('compiled', 'environment');
  const sizes = quick ? SIZES.quick : SIZES.full;
  const samples = new Samples();
  const cluster = await Cluster.start();
  try {
    await cluster.startWorker(CPUS);
    for (let round = 0; round < rounds; round += 1) {
      for (const jobs of sizes) await measureJobs(cluster, samples, jobs);
      await measureNotice(cluster, samples, quick ? CHAIN.quick : CHAIN.full);
    }
  } finally {
    await cluster.stop();
  }
  const line = (name, of, unit, o = {}) => figure(samples, { name, of, unit, ...o });
  const max = (goal, of = 'value') => ({ goal: { max: goal, of } });
  return {
    title: `Snakemake's main process: ${sizes.join(', ')} jobs that do nothing, ${CPUS} CPUs`,
    figures: [
      ...sizes.flatMap((jobs) => {
        const nothing = { limit: { name: 'nothing', of: `nothing ${jobs}` } };
        const goalOf = (goal, of) => (jobs < GOALS_FROM ? {} : max(goal, of));
        const work = { limit: { name: 'CPU time / CPUs', of: `work ${jobs}` } };
        return [
          line(`limit: ${jobs} jobs, nothing started`, `nothing ${jobs}`, 's of CPU'),
          line('  --executor hyperqueue', `cpu ${jobs}`, 's of CPU', { ...nothing, ...goalOf(GOALS.cpu, 'ratio') }),
          line('  more per job', `added ${jobs}`, 'ms of CPU'),
          line('  the executor itself per job', `own ${jobs}`, 'ms of CPU', goalOf(GOALS.ownMs)),
          ...(jobs > PEER_JOBS ? [] : [line(`  nothing started, --scheduler ${PEER_SCHEDULER}`, `peer ${jobs}`, 's of CPU', nothing)]),
          line('  all of the worker per job', `worker ${jobs}`, 's of CPU', goalOf(GOALS.jobS)),
          line('  of that the job itself', `job ${jobs}`, 's of CPU'),
          line('  until the end', `wall ${jobs}`, 's', { ...work, ...goalOf(GOALS.wall, 'ratio') }),
          line('  more files in .snakemake', `files ${jobs}`, 'files', goalOf(GOALS.files)),
        ];
      }),
      line('end of a job until noticed', 'noticed', 's', max(GOALS.noticedS)),
      line('  the slowest', 'slowest', 's'),
    ],
    notes: [
      'CPU of the main process alone, with its start; the wall time beside that and the CPU time of the worker, on both CPUs',
      'the executor itself: its submission and its threads, with the start, without what Snakemake does when it is told of a job',
      'CPU time of the worker: all of its processes, so that starting a job and telling of its end are in it',
      'with nothing started, other tasks keep the CPUs as busy as jobs do',
      'files are counted in a run that keeps the output of all jobs',
    ],
  };
}

/** With jobs started, and without before and after: Snakemake makes files for each job, which takes one to four times as long from one minute to the next. */
async function measureJobs(cluster, samples, jobs) {
  const workflow = wide(jobs);
  const nothing = () => whileBusy(cluster, () => snakemake(cluster, { executor: 'nothing', workflow }));
  const before = await nothing();
  const worker = cluster.workers[0].pid;
  const beforeMs = treeCpuMs(worker);
  const hyperqueue = await snakemake(cluster, { executor: 'hyperqueue', workflow, options: ['--hyperqueue-keep-logs', 'always'] });
  const workerS = (treeCpuMs(worker) - beforeMs) / 1_000;
  const jobsS = hyperqueue.tasks.reduce((sum, { usage }) => sum + usage.userMs + usage.systemMs, 0) / 1_000;
  const after = await nothing();
  const nothingS = (before.cpuS + after.cpuS) / 2;
  samples.add(`nothing ${jobs}`, nothingS);
  samples.add(`cpu ${jobs}`, hyperqueue.cpuS);
  samples.add(`added ${jobs}`, ((hyperqueue.cpuS - nothingS) / jobs) * 1_000);
  samples.add(`own ${jobs}`, (hyperqueue.ownS / jobs) * 1_000);
  samples.add(`worker ${jobs}`, workerS / jobs);
  samples.add(`job ${jobs}`, jobsS / jobs);
  samples.add(`wall ${jobs}`, hyperqueue.wallS);
  samples.add(`work ${jobs}`, (hyperqueue.cpuS + workerS) / CPUS);
  samples.add(`files ${jobs}`, hyperqueue.files - before.files);
  if (jobs > PEER_JOBS) return;
  const peer = await whileBusy(cluster, () => snakemake(cluster, { executor: 'nothing', workflow, scheduler: PEER_SCHEDULER }));
  samples.add(`peer ${jobs}`, peer.cpuS);
}

/**
 * With jobs the main process shares CPUs, their caches and perhaps their cores with them, and is slower for it: so it does here, with other tasks
 * of the same worker, which start as many processes of Python and do as little in them.
 */
async function whileBusy(cluster, work) {
  const spec = { command: [venvBin('python'), '-c', 'import json, argparse, logging'], stdout: null, stderr: null };
  const { jobId } = await cluster.submit({ kind: 'array', ids: `1-${MOST_TASKS}`, spec });
  try {
    return await work();
  } finally {
    await cluster.client.cancel(jobId);
  }
}

async function measureNotice(cluster, samples, jobs) {
  const { tasks, finished } = await snakemake(cluster, { executor: 'hyperqueue', workflow: chain(jobs) });
  // The last one that is noticed is the rule `all`, which no task is for.
  const ends = tasks.map(({ finishedAtMs }) => finishedAtMs / 1_000).sort((a, b) => a - b);
  const delays = ends.map((end, at) => finished[at] - end);
  samples.add('noticed', median(delays));
  samples.add('slowest', Math.max(...delays));
}

/** @returns `cpuS` of the main process, `ownS` of the executor hyperqueue in it, `wallS`, `finished`: when it noticed ends (Unix time, seconds), `files` below .snakemake, `tasks` of the run */
async function snakemake(cluster, { executor, workflow, scheduler = SCHEDULER, options = [] }) {
  const workdir = join(cluster.root, `run-${readdirSync(cluster.root).length}`);
  mkdirSync(workdir);
  writeFileSync(join(workdir, 'Snakefile'), workflow);
  const figures = join(workdir, 'figures.json');
  const args = [join(PYTHON, 'main_process.py'), figures, '--executor', executor, '--scheduler', scheduler, ...PROFILE, ...options];
  const begun = performance.now();
  await mustRun('snakemake', venvBin('python'), args, { cwd: workdir, env: { ...cluster.env, PYTHONPATH: PYTHON } });
  const wallS = (performance.now() - begun) / 1_000;
  const files = readdirSync(join(workdir, '.snakemake'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length;
  const [job] = (await cluster.client.listJobs({})).slice(-1);
  const tasks = executor === 'hyperqueue' ? await cluster.client.listTasks(job.id, { limit: PAGE }) : [];
  return { ...JSON.parse(readFileSync(figures, 'utf8')), wallS, files, tasks };
}
