/** `npm run demo:nextflow`: the pipeline of `npm run demo` as one of Nextflow, on a server and a worker that are started for it, its results checked. */
import { join, relative } from 'node:path';
import { lacks } from '../fixtures/nextflow/machine.mjs';
import { checkResults, demoOptions, demoUsage, JOBS_PER_SAMPLE, makeWorkdir } from './lib/demo.mjs';
import { startServer, stopServer, whatHappened } from './lib/hqServer.mjs';
import { runPipeline } from './lib/nextflow.mjs';
import { root } from './lib/paths.mjs';
import { ready } from './lib/steps.mjs';
import { main, say, seconds, Trouble } from './lib/text.mjs';

const EXECUTORS = ['hq', 'local'];
/** reference, cohort, distances, summary */
const JOBS_PER_RUN = 4;

/** What the server knows must be what Nextflow says: every submitted task has finished, as a job of its own. */
function checkTasks({ tasks, finished }, submitted) {
  if (finished === submitted && tasks === submitted) return true;
  say(`FAILED: HyperQueue has ${finished} finished of ${tasks} tasks, Nextflow has submitted ${submitted}`);
  return false;
}

async function runDemo(options) {
  const { samples, cpus, executor } = options;
  const workdir = makeWorkdir('demo-nextflow', options.keep);
  const serverDir = join(workdir, 'hq');
  const isRemote = executor === 'hq';
  const tasks = JOBS_PER_SAMPLE * samples + JOBS_PER_RUN;
  say(`${samples} phage isolates, ${tasks} tasks, ${cpus} at a time, executor ${executor}`);
  try {
    if (isRemote) await startServer(serverDir, { workerCpus: cpus });
    const env = isRemote ? { HQ_SERVER_DIR: serverDir } : {};
    const done = await runPipeline({ workdir, executor, cpus, tasks, env, options: ['--samples', String(samples)] });
    const happened = isRemote ? await whatHappened(serverDir) : undefined;
    const isRight = await checkResults(workdir, samples);
    say(`\n  Nextflow        ${done.tasks} tasks in ${seconds(done.ms)}`);
    if (happened !== undefined) say(`  HyperQueue      ${happened.finished} tasks finished, ${happened.workers} worker(s)`);
    say(`  results         ${relative(root, join(workdir, 'results'))}`);
    say(`  Nextflow's log  ${relative(root, done.log)}`);
    const isComplete = happened === undefined || checkTasks(happened, done.tasks);
    return isRight && isComplete && done.tasks === tasks ? 0 : 1;
  } finally {
    if (isRemote) await stopServer(serverDir);
  }
}

await main(async () => {
  const options = demoOptions(EXECUTORS);
  if (options.help) {
    say(demoUsage('demo:nextflow', EXECUTORS));
    return 0;
  }
  const lack = lacks();
  if (lack !== undefined) throw new Trouble(lack);
  await ready('compiled', 'environment', 'nextflow');
  return runDemo(options);
});
