/** `npm run demo`: a real pipeline of 115 jobs through HyperQueue, its results checked against the known truth. */
import { join, relative } from 'node:path';
import { checkResults, demoOptions, demoUsage, JOBS_PER_SAMPLE, makeWorkdir } from './lib/demo.mjs';
import { stopServer, whatHappened } from './lib/hqServer.mjs';
import { root } from './lib/paths.mjs';
import { runWorkflow } from './lib/snakemake.mjs';
import { filesBelow } from './lib/stamp.mjs';
import { ready } from './lib/steps.mjs';
import { main, say, seconds } from './lib/text.mjs';

const EXECUTORS = ['hyperqueue', 'local'];
/** reference, cohort, distances, summary, all */
const JOBS_PER_RUN = 5;

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
  const workdir = makeWorkdir('demo', options.keep);
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
  const options = demoOptions(EXECUTORS);
  if (options.help) {
    say(demoUsage('demo', EXECUTORS));
    return 0;
  }
  await ready('compiled', 'environment');
  return runDemo(options);
});
