/**
 * The demo pipeline on `snakemake --executor hyperqueue` beside `--executor local` with as many cores. Slow, so only when asked for. Called by
 * run.mjs.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { stopServer } from '../../scripts/lib/hqServer.mjs';
import { pipeline } from '../../scripts/lib/paths.mjs';
import { runWorkflow } from '../../scripts/lib/snakemake.mjs';
import { ready } from '../../scripts/lib/steps.mjs';
import { figure } from './lib/figures.mjs';
import { makeFolder, removeFolder } from './lib/processes.mjs';
import { interleaved } from './lib/statistics.mjs';

const CPUS = 2;
const ISOLATES = { full: 10, quick: 1 };

/** @param {{ rounds: number, quick: boolean }} options */
export async function run({ rounds, quick }) {
  await ready('compiled', 'environment');
  const isolates = quick ? ISOLATES.quick : ISOLATES.full;
  const samples = await interleaved(rounds, {
    local: () => runPipeline('local', isolates),
    hyperqueue: () => runPipeline('hyperqueue', isolates),
  });
  const line = (name, of, limit) => figure(samples, { name, of, unit: 's', limit });
  return {
    title: `Snakemake: the demo pipeline with ${isolates} isolate(s), ${CPUS} cores`,
    figures: [
      line('limit: --executor local', 'local'),
      line('--executor hyperqueue', 'hyperqueue', { name: 'local executor', of: 'local' }),
    ],
    notes: ['with hyperqueue the time includes the start and the end of an embedded server and its worker'],
  };
}

/** Seconds of one run in a directory of its own. */
async function runPipeline(executor, isolates) {
  const folder = makeFolder();
  const [workdir, serverDir] = [join(folder, 'work'), join(folder, 'hq')];
  cpSync(pipeline, workdir, { recursive: true });
  try {
    const env = executor === 'local' ? {} : { HQ_SERVER_DIR: serverDir };
    return (await runWorkflow({ workdir, executor, cpus: CPUS, samples: isolates, env })).ms / 1000;
  } finally {
    if (executor !== 'local') await stopServer(serverDir);
    removeFolder(folder);
  }
}
