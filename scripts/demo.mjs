/** `npm run demo`: a real pipeline of 115 jobs through HyperQueue, its results checked against the known truth. */
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { run } from './lib/command.mjs';
import { stopServer, whatHappened } from './lib/hqServer.mjs';
import { build, pipeline, root, venvBin } from './lib/paths.mjs';
import { runWorkflow } from './lib/snakemake.mjs';
import { filesBelow } from './lib/stamp.mjs';
import { ready } from './lib/steps.mjs';
import { main, say, seconds, Trouble } from './lib/text.mjs';

const USAGE = `npm run demo -- [options]
  --samples N       isolates to sequence, 11 jobs each (default 10)
  --cpus N          jobs at the same time (default: the processors of this machine, at most 8)
  --executor NAME   hyperqueue (default) or local, for comparison
  --keep            keep the work directories of earlier runs`;

/** More would only make the largest of the short jobs wait for each other's disk. */
const MAX_DEFAULT_CPUS = 8;
const EXECUTORS = ['hyperqueue', 'local'];
const JOBS_PER_SAMPLE = 11;
/** reference, cohort, distances, summary, all */
const JOBS_PER_RUN = 5;

function positive(name, text) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new Trouble(`--${name} needs a whole number from 1, not ${text}`);
  return number;
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      samples: { type: 'string', default: '10' },
      cpus: { type: 'string', default: String(Math.min(availableParallelism(), MAX_DEFAULT_CPUS)) },
      executor: { type: 'string', default: 'hyperqueue' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (!EXECUTORS.includes(values.executor)) throw new Trouble(`--executor is ${EXECUTORS.join(' or ')}, not ${values.executor}`);
  return { ...values, samples: positive('samples', values.samples), cpus: positive('cpus', values.cpus) };
}

/** A copy of the pipeline in a directory of its own, so that it can be looked at and run again by hand. */
function makeWorkdir(keep) {
  const demos = join(build, 'demo');
  if (!keep) rmSync(demos, { recursive: true, force: true });
  const workdir = join(demos, new Date().toISOString().slice(0, 19).replaceAll(':', '-'));
  mkdirSync(demos, { recursive: true });
  cpSync(pipeline, workdir, { recursive: true });
  return workdir;
}

async function checkResults(workdir, samples) {
  const { code, output } = await run(venvBin('python'), [join(workdir, 'check.py'), workdir, '--samples', String(samples)]);
  say(`\n${output.trim()}`);
  return code === 0;
}

/** What the server knows must be what Snakemake says: every job that is not local was one finished task. */
function checkTasks({ tasks, finished }, jobs) {
  const remote = jobs - 1; // the rule `all` is local
  if (finished === remote && tasks === remote) return true;
  say(`FAILED: HyperQueue has ${finished} finished of ${tasks} tasks, Snakemake ran ${remote} jobs through it`);
  return false;
}

function printServer(happened, workdir) {
  const logs = filesBelow(workdir).filter((file) => /\/job-\d+(-\w+)?\.log(\.w\d+)?$/.test(file));
  say(`  HyperQueue      ${happened.finished} tasks finished in ${happened.jobs} job(s), ${happened.workers} worker(s)`);
  say(`  output          of all tasks in ${logs.length} log file(s)`);
  for (const folder of new Set(logs.map((file) => join(file, '..'))))
    say(`                  hq output-log ${relative(root, folder)} summary`);
}

async function runDemo(options) {
  const workdir = makeWorkdir(options.keep);
  const serverDir = join(workdir, 'hq');
  const isRemote = options.executor === 'hyperqueue';
  const jobs = JOBS_PER_SAMPLE * options.samples + JOBS_PER_RUN;
  say(`${options.samples} phage isolates, ${jobs} jobs, ${options.cpus} at a time, executor ${options.executor}`);
  try {
    const done = await runWorkflow({ ...options, workdir, env: isRemote ? { HQ_SERVER_DIR: serverDir } : {} });
    const happened = isRemote ? await whatHappened(serverDir) : undefined;
    const isRight = await checkResults(workdir, options.samples);
    say(`\n  Snakemake       ${done.jobs} jobs in ${seconds(done.ms)}`);
    if (happened !== undefined) printServer(happened, workdir);
    say(`  results         ${relative(root, join(workdir, 'results'))}`);
    say(`  Snakemake's log ${relative(root, done.log)}`);
    const isComplete = happened === undefined || checkTasks(happened, done.jobs);
    return isRight && isComplete && done.jobs === jobs ? 0 : 1;
  } finally {
    if (isRemote) await stopServer(serverDir);
  }
}

await main(async () => {
  const options = readOptions();
  if (options.help) {
    say(USAGE);
    return 0;
  }
  await ready('compiled', 'environment');
  return runDemo(options);
});
