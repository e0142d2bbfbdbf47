/**
 * Nextflow with the plugin nf-hyperqueue beside its own executor `local` on as many CPUs: many tasks that do nothing, a chain of ten, 24 short
 * ones; on a server that runs already, and on one that the run starts; and with its built-in executor `hq`, on ours and, when HQ_PEER names it, on the
 * original. And how soon Nextflow knows of a task that dies without a word. Slow, so only when asked for. Called by run.mjs.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { findJdk } from '../../fixtures/nextflow/machine.mjs';
import { mustRun } from '../../scripts/lib/command.mjs';
import { stopServer } from '../../scripts/lib/hqServer.mjs';
import { buildNextflowPlugin, nextflowPlugin } from '../../scripts/lib/nextflowPlugin.mjs';
import { commandFolder, hq, inRoot } from '../../scripts/lib/paths.mjs';
import { ready } from '../../scripts/lib/steps.mjs';
import { Trouble } from '../../scripts/lib/text.mjs';
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

/** Until Nextflow knows the end, and why, of a task that is killed together with its script, seconds; with the original it took 7 min 10 s. */
const NOTICED_S = 2;
/** What such a task is told to have ended with: 128 + SIGKILL. */
const KILLED = '137';
const TRACE_FILE = 'trace.txt';

/** nextflow.config. */
const TRACED = `trace.raw = true\ntrace.fields = 'exit,complete'\n`;
const UNTUNED = `process.executor = 'hq'\n`;
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
    await startServer(serverDir, [process.execPath, hq]);
    const peer = process.env.HQ_PEER === undefined ? undefined : await startPeer(folder, resolve(process.env.HQ_PEER));
    const tuned = await mustRun('hq nextflow config', process.execPath, [hq, 'nextflow', 'config']);
    const samples = await interleaved(rounds, measures({ folder, serverDir, commands: commandFolder, tasks, tuned, peer }));
    return {
      title: `Nextflow: ${tasks} tasks that do nothing, a chain of ten, 24 short tasks; ${CPUS} CPUs`,
      figures: [
        ...linesOf(samples, 'trivial', `${tasks} x true`),
        ...linesOf(samples, 'chain', 'chain of 10'),
        ...linesOf(samples, 'short', '24 short tasks'),
        noticedLine(samples, 'killed without a word, nf-hyperqueue', 'hq'),
        noticedLine(samples, 'killed without a word, built-in executor hq', 'built-in'),
      ],
      notes: [
        'every time includes the start of Java and Nextflow; "from nothing" also that of an embedded server and its worker, and their end',
        '"killed without a word": from the death of a task and its script until Nextflow has its exit code',
        peer === undefined
          ? 'no peer: HQ_PEER names none, and the package hyperqueue has no command hq'
          : `peer: built-in executor on ${process.env.HQ_PEER}`,
      ],
    };
  } finally {
    await stopServer(serverDir);
    removeFolder(folder);
  }
}

/** @returns the peer's server with a worker, and a folder with nothing but its `hq` */
async function startPeer(folder, program) {
  const commands = join(folder, 'peer-commands');
  mkdirSync(commands);
  symlinkSync(program, join(commands, 'hq'));
  const serverDir = join(folder, 'peer');
  await startServer(serverDir, [program]);
  return { commands, serverDir };
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
    if (bench.peer !== undefined) all[`${pipeline} peer`] = () => measure({ ...bench, ...bench.peer }, pipeline, { config: UNTUNED });
  }
  all['dies hq'] = () => measureNoticed(bench, withPlugin());
  all['dies built-in'] = () => measureNoticed(bench, bench.tuned);
  return all;
}

function linesOf(samples, pipeline, title) {
  const limit = { name: 'executor local', of: `${pipeline} local` };
  const line = (name, way, o = {}) => figure(samples, { name, of: `${pipeline} ${way}`, unit: 's', ...o });
  return [
    line(`limit: ${title}, local`, 'local'),
    line('  nf-hyperqueue', 'hq', { limit, goal: { max: GOALS[pipeline], of: 'ratio' } }),
    line('  nf-hyperqueue from nothing', 'embedded', { limit }),
    line('  built-in executor hq', 'built-in', {
      limit,
      peer: `${pipeline} peer`,
      ...(pipeline === 'short' ? { goal: { max: ORIGINAL_SHORT_S, of: 'value' } } : {}),
    }),
  ];
}

const noticedLine = (samples, name, way) => figure(samples, { name, of: `dies ${way}`, unit: 's', goal: { max: NOTICED_S, of: 'value' } });

function installPlugin(folder) {
  const plugins = join(folder, 'nextflow/plugins');
  mkdirSync(plugins, { recursive: true });
  const { zip } = nextflowPlugin();
  copyFileSync(zip, join(plugins, basename(zip)));
}

/** A server with one worker. @param {readonly string[]} command that is `hq` */
async function startServer(serverDir, [program, ...words]) {
  const env = { ...process.env, HQ_SERVER_DIR: serverDir };
  start(program, [...words, 'server', 'start', '--host', '127.0.0.1'], { env });
  await mustRun('hq server wait', program, [...words, 'server', 'wait', '--timeout', '60s'], { env });
  start(program, [...words, 'worker', 'start', '--cpus', String(CPUS)], { env });
  await mustRun('hq worker wait', program, [...words, 'worker', 'wait', '1'], { env });
}

/** Seconds of one run. */
async function measure(bench, pipeline, o) {
  return (await runOnce(bench, pipeline, o)).ms / 1_000;
}

/** Seconds from the death of a task until Nextflow has its exit code, by the clock of both. */
async function measureNoticed(bench, config) {
  const { launchDir } = await runOnce(bench, 'dies', { config: `${config}${TRACED}`, args: ['-with-trace', TRACE_FILE] });
  const [exit, completed] = readFileSync(join(launchDir, TRACE_FILE), 'utf8').trim().split('\n').at(-1).split('\t');
  if (exit !== KILLED) throw new Trouble(`a task that was killed has the exit code ${exit} in Nextflow's trace, not ${KILLED}`);
  return (Number(completed) - Number(readFileSync(join(launchDir, 'died'), 'utf8'))) / 1_000;
}

/** One run in a directory of its own. @returns {Promise<{ launchDir: string, ms: number }>} */
async function runOnce({ folder, tasks, commands, ...bench }, pipeline, { config, serverDir = bench.serverDir, args = [] }) {
  const launchDir = join(folder, `run-${readdirSync(folder).length}`);
  mkdirSync(launchDir);
  writeFileSync(join(launchDir, 'nextflow.config'), config);
  const env = {
    PATH: `${commands}:${process.env.PATH}`,
    JAVA_HOME: findJdk(),
    NXF_HOME: join(folder, 'nextflow'),
    NXF_OFFLINE: 'true',
    NXF_ANSI_LOG: 'false',
    HQ_SERVER_DIR: serverDir,
  };
  const begun = performance.now();
  const run = ['-q', 'run', join(PIPELINES, `${pipeline}.nf`), '--tasks', String(tasks), ...args];
  await mustRun('nextflow', LAUNCHER, run, { cwd: launchDir, env });
  return { launchDir, ms: performance.now() - begun };
}
