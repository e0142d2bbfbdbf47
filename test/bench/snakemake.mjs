/**
 * A pipeline of 115 jobs with the tools of Debian, and the demo pipeline, on `snakemake --executor hyperqueue` beside `--executor local` with as
 * many cores, with and without warm runners; and what a job that does nothing costs its worker. Slow, so only when asked for. Called by run.mjs.
 */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask, stopServer, whatHappened } from '../../scripts/lib/hqServer.mjs';
import { which } from '../../scripts/lib/machine.mjs';
import { pipeline } from '../../scripts/lib/paths.mjs';
import { runWorkflow } from '../../scripts/lib/snakemake.mjs';
import { ready } from '../../scripts/lib/steps.mjs';
import { figure } from './lib/figures.mjs';
import { makeFolder, removeFolder } from './lib/processes.mjs';
import { interleaved } from './lib/statistics.mjs';

const CPUS = 2;
const ISOLATES = { full: 10, quick: 2 };
/** They start in milliseconds; those of the demo are Python programs, of which each takes as long to start as a job without them does. */
const DEBIAN = { snakefile: 'debian.Snakefile', tools: ['bwa', 'samtools', 'bcftools', 'fastp', 'wgsim'] };
const TRIVIAL_JOBS = { full: 60, quick: 6 };
const TRIVIAL = `rule all:
    input: expand("{n}.txt", n=range(int(config["samples"])))
rule a:
    output: "{n}.txt"
    shell: "touch {output}"
`;
const WARM = { off: ['--hyperqueue-warm-runner', 'off'], imports: ['--hyperqueue-warm-runner', 'imports'], auto: [] };

/** @param {{ rounds: number, quick: boolean }} options */
export async function run({ rounds, quick }) {
  await ready('compiled', 'environment');
  const isolates = quick ? ISOLATES.quick : ISOLATES.full;
  const trivial = quick ? TRIVIAL_JOBS.quick : TRIVIAL_JOBS.full;
  const missing = DEBIAN.tools.filter((tool) => which(tool) === undefined);
  const debian = { isolates, snakefile: DEBIAN.snakefile };
  const samples = await interleaved(rounds, {
    ...(missing.length === 0 && {
      debianLocal: () => runPipeline({ ...debian, executor: 'local' }),
      debian: () => runPipeline({ ...debian, executor: 'hyperqueue' }),
      debianCold: () => runPipeline({ ...debian, executor: 'hyperqueue', options: WARM.off }),
    }),
    local: () => runPipeline({ executor: 'local', isolates }),
    hyperqueue: () => runPipeline({ executor: 'hyperqueue', isolates }),
    job: () => cpuPerJob(trivial, WARM.auto),
    importsJob: () => cpuPerJob(trivial, WARM.imports),
    coldJob: () => cpuPerJob(trivial, WARM.off),
  });
  const line = (name, of, o = {}) => figure(samples, { name, of, unit: 's', ...o });
  const local = { name: 'local executor', of: 'local' };
  const debianLocal = { name: 'local executor', of: 'debianLocal' };
  const cold = { name: 'no warm runner', of: 'coldJob' };
  return {
    title: `Snakemake: pipelines with ${isolates} isolates, ${CPUS} cores, and ${trivial} jobs that do nothing`,
    figures: [
      ...(missing.length > 0
        ? []
        : [
            line('tools of Debian, --executor local', 'debianLocal'),
            line('  --executor hyperqueue', 'debian', { limit: debianLocal, goal: { max: 0.8, of: 'ratio' } }),
            line('  without warm runners', 'debianCold', { limit: debianLocal }),
          ]),
      line('the demo, --executor local', 'local'),
      line('  --executor hyperqueue', 'hyperqueue', { limit: local }),
      line('CPU time per trivial job', 'job', { limit: cold, goal: { max: 0.06, of: 'value' } }),
      line('  that parses the workflow', 'importsJob', { limit: cold }),
      line('  without warm runners', 'coldJob'),
    ],
    notes: [
      'with hyperqueue the time includes the start and the end of an embedded server and its worker',
      ...(missing.length > 0
        ? [`not run: the pipeline with the tools of Debian (${missing.join(', ')} not found; apt-get install bwa samtools bcftools fastp)`]
        : []),
    ],
  };
}

/** Seconds of one run in a directory of its own. */
function runPipeline({ executor, isolates, snakefile, options = [] }) {
  const prepare = (workdir) => cpSync(pipeline, workdir, { recursive: true });
  return inFolder(prepare, async (workdir, serverDir) => {
    const env = executor === 'local' ? {} : { HQ_SERVER_DIR: serverDir };
    return (await runWorkflow({ workdir, snakefile, executor, cpus: CPUS, samples: isolates, env, options })).ms / 1000;
  });
}

/** Median CPU time of a task, seconds. */
function cpuPerJob(jobs, options) {
  const prepare = (workdir) => {
    mkdirSync(workdir);
    writeFileSync(join(workdir, 'Snakefile'), TRIVIAL);
  };
  return inFolder(prepare, async (workdir, serverDir) => {
    await runWorkflow({ workdir, executor: 'hyperqueue', cpus: CPUS, samples: jobs, env: { HQ_SERVER_DIR: serverDir }, options });
    await whatHappened(serverDir);
    const tasks = await ask(serverDir, 'task', 'info', '1', `1-${jobs}`);
    const times = tasks.map(({ usage }) => usage.user + usage.system).sort((a, b) => a - b);
    return times[Math.floor(times.length / 2)];
  });
}

/** Runs it in a directory of its own, of which nothing is left. */
async function inFolder(prepare, work) {
  const folder = makeFolder();
  const [workdir, serverDir] = [join(folder, 'work'), join(folder, 'hq')];
  try {
    prepare(workdir);
    return await work(workdir, serverDir);
  } finally {
    await stopServer(serverDir);
    removeFolder(folder);
  }
}
