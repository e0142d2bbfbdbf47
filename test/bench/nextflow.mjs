/**
 * Nextflow with the plugin nf-hyperqueue beside its own executor `local` on as many CPUs: many tasks that do nothing, a chain of ten, 24 short
 * ones; on a server that runs already, and on one that the run starts; and with its built-in executor `hq`. Slow, so only when asked for. Called by run.mjs.
 */
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { findJdk } from '../../fixtures/nextflow/machine.mjs';
import { mustRun } from '../../scripts/lib/command.mjs';
import { stopServer } from '../../scripts/lib/hqServer.mjs';
import { buildNextflowPlugin, nextflowPlugin } from '../../scripts/lib/nextflowPlugin.mjs';
import { commandFolder, hq, inRoot } from '../../scripts/lib/paths.mjs';
import { ready } from '../../scripts/lib/steps.mjs';
import { figure } from './lib/figures.mjs';
import { makeFolder, removeFolder, start } from './lib/processes.mjs';
import { interleaved } from './lib/statistics.mjs';

const CPUS = 2;
const TRIVIAL = { full: 1_000, quick: 20 };
const PIPELINES = inRoot('test/nextflow/pipelines');
const LAUNCHER = inRoot('fixtures/nextflow/bin/nextflow');
/** What is run, and how long it may take with the plugin beside `local`. */
const GOALS = { trivial: 1.1, chain: 1.2, short: 1.2 };
/** What tasks like these 24 took with the original `hq` and Nextflow's own settings; most of it is waiting, so that the machine hardly matters. Seconds. */
const ORIGINAL_SHORT_S = 18.5;

/** nextflow.config. */
const LOCAL = `process.executor = 'local'\nexecutor.cpus = ${CPUS}\n`;

/** @param {{ rounds: number, quick: boolean }} options */
export async function run({ rounds, quick }) {
  await ready('compiled', 'nextflow');
  await buildNextflowPlugin();
  const tasks = quick ? TRIVIAL.quick : TRIVIAL.full;
  const folder = makeFolder();
  const serverDir = join(folder, 'hq');
  try {
    installPlugin(folder);
    await startServer(serverDir);
    const tuned = await mustRun('hq nextflow config', process.execPath, [hq, 'nextflow', 'config']);
    const samples = await interleaved(rounds, measures({ folder, serverDir, tasks, tuned }));
    return {
      title: `Nextflow: ${tasks} tasks that do nothing, a chain of ten, 24 short tasks; ${CPUS} CPUs`,
      figures: [
        ...linesOf(samples, 'trivial', `${tasks} x true`),
        ...linesOf(samples, 'chain', 'chain of 10'),
        ...linesOf(samples, 'short', '24 short tasks'),
      ],
      notes: [
        'every time includes the start of Java and Nextflow; "from nothing" also that of an embedded server and its worker, and their end',
      ],
    };
  } finally {
    await stopServer(serverDir);
    removeFolder(folder);
  }
}

function withPlugin() {
  const { id, version } = nextflowPlugin();
  return `plugins { id '${id}@${version}' }\nprocess.executor = 'hq'\nhq.cpus = ${CPUS}\n`;
}

/** @param bench tuned: settings for the built-in executor */
function measures(bench) {
  const all = {};
  for (const pipeline of Object.keys(GOALS)) {
    all[`${pipeline} local`] = () => measure(bench, pipeline, { config: LOCAL });
    all[`${pipeline} hq`] = () => measure(bench, pipeline, { config: withPlugin() });
    all[`${pipeline} embedded`] = () => measure(bench, pipeline, { config: withPlugin(), serverDir: `${bench.serverDir}-embedded` });
    all[`${pipeline} built-in`] = () => measure(bench, pipeline, { config: bench.tuned });
  }
  return all;
}

function linesOf(samples, pipeline, title) {
  const limit = { name: 'executor local', of: `${pipeline} local` };
  const line = (name, way, o = {}) => figure(samples, { name, of: `${pipeline} ${way}`, unit: 's', ...o });
  return [
    line(`limit: ${title}, local`, 'local'),
    line('  nf-hyperqueue', 'hq', { limit, goal: { max: GOALS[pipeline], of: 'ratio' } }),
    line('  nf-hyperqueue from nothing', 'embedded', { limit }),
    line('  built-in executor hq', 'built-in', pipeline === 'short' ? { limit, goal: { max: ORIGINAL_SHORT_S, of: 'value' } } : { limit }),
  ];
}

function installPlugin(folder) {
  const plugins = join(folder, 'nextflow/plugins');
  mkdirSync(plugins, { recursive: true });
  const { zip } = nextflowPlugin();
  copyFileSync(zip, join(plugins, basename(zip)));
}

async function startServer(serverDir) {
  const env = { ...process.env, HQ_SERVER_DIR: serverDir };
  start(process.execPath, [hq, 'server', 'start', '--host', '127.0.0.1'], { env });
  await mustRun('hq server wait', process.execPath, [hq, 'server', 'wait', '--timeout', '60s'], { env });
  start(process.execPath, [hq, 'worker', 'start', '--cpus', String(CPUS)], { env });
  await mustRun('hq worker wait', process.execPath, [hq, 'worker', 'wait', '1'], { env });
}

/** Seconds of one run in a directory of its own. */
async function measure({ folder, tasks, ...bench }, pipeline, { config, serverDir = bench.serverDir }) {
  const launchDir = join(folder, `run-${readdirSync(folder).length}`);
  mkdirSync(launchDir);
  writeFileSync(join(launchDir, 'nextflow.config'), config);
  const env = {
    PATH: `${commandFolder}:${process.env.PATH}`,
    JAVA_HOME: findJdk(),
    NXF_HOME: join(folder, 'nextflow'),
    NXF_OFFLINE: 'true',
    NXF_ANSI_LOG: 'false',
    HQ_SERVER_DIR: serverDir,
  };
  const begun = performance.now();
  await mustRun('nextflow', LAUNCHER, ['-q', 'run', join(PIPELINES, `${pipeline}.nf`), '--tasks', String(tasks)], { cwd: launchDir, env });
  return (performance.now() - begun) / 1_000;
}
