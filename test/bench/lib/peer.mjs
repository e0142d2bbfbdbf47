/**
 * The peer: the original's own server and worker, from the `hyperqueue` package in an environment of its own, or with HQ_PEER another `hq`
 * with the same command lines (the original's, or an earlier build of this one). Used by the benchmarks that have a peer line.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { mustRun, run } from '../../../scripts/lib/command.mjs';
import { findPython } from '../../../scripts/lib/machine.mjs';
import { build, hq, inRoot, venvBin } from '../../../scripts/lib/paths.mjs';
import { ready } from '../../../scripts/lib/steps.mjs';
import { lastLines, Trouble } from '../../../scripts/lib/text.mjs';
import { stopwatch } from './limits.mjs';
import { end, hasEnded, makeFolder, removeFolder, start } from './processes.mjs';

const PACKAGE = 'hyperqueue==0.27.0';
const environment = join(build, 'bench/peer');

/**
 * Starts the peer.
 * @param {{ cpus: number }} options CPUs of its one worker; 0: no worker
 * @returns {Promise<{ peer: Peer } | { missing: string }>} or one line that says why there is none
 *
 * @typedef {{
 *   name: string,
 *   run(job: { tasks: number, files?: boolean, stream?: boolean, deps?: number[][], width?: number, functions?: boolean, start?: object }):
 *     Promise<number | undefined>,
 *   submit(tasks: number, deps?: number[][]): Promise<number | undefined>, stop(): Promise<void>,
 * }} Peer times in milliseconds, undefined for what it cannot do; `width`: size of the last layer of the graph; `functions`: instead of programs;
 *   `start`: arguments of PythonEnv
 */
export async function openPeer({ cpus }) {
  try {
    const other = process.env.HQ_PEER;
    return { peer: other === undefined ? await startPackage(cpus) : await startCommand(resolve(other), cpus) };
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    return { missing: `no peer: ${lastLines(error.message, 1)}` };
  }
}

/** One line for the report. */
export const peerNote = ({ peer, missing }) => missing ?? `peer: ${peer.name}`;

/** @param {number | undefined} ms what `Peer.run` answered */
export const perTask = (ms, tasks) => (ms === undefined ? undefined : ms / tasks);

async function installPackage() {
  const python = join(environment, 'bin/python');
  if (existsSync(python) && (await run(python, ['-c', 'import hyperqueue'])).code === 0) return python;
  await mustRun('venv', (await findPython()).executable, ['-m', 'venv', '--clear', environment]);
  const installed = await run(python, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--no-input', PACKAGE]);
  if (installed.code !== 0) throw new Trouble(`${PACKAGE} cannot be installed: ${lastLines(installed.output, 1)}`);
  return python;
}

async function startPackage(cpus) {
  return startDriver({ name: `hyperqueue ${PACKAGE.split('==')[1]}`, python: await installPackage(), cpus });
}

/**
 * Our own Python API, driven as that of the package is.
 * @param {{ cpus: number }} options as of `openPeer`
 * @returns {Promise<Peer>}
 */
export async function openOurs({ cpus }) {
  await ready('compiled', 'environment');
  return startDriver({ name: 'hq-bridge', python: venvBin('python'), cpus, env: { HQ_BRIDGE_HQ: hq } });
}

/** @param {{ name: string, python: string, cpus: number, env?: Record<string, string> }} driver whose module `hyperqueue` is driven */
async function startDriver({ name, python, cpus, env = {} }) {
  const folder = makeFolder();
  const child = start(python, [inRoot('test/bench/lib/peer.py'), folder, String(cpus)], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
  });
  const lines = createInterface({ input: child.stdio[3] })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Trouble(`the peer ended: ${lastLines(child.complaint, 1)}`);
    return JSON.parse(value);
  };
  const ask = (request) => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    return answer();
  };
  await answer();
  return {
    name,
    run: async ({ stream = false, ...job }) => (stream ? undefined : ask({ op: 'run', files: false, ...job })),
    submit: (tasks, deps) => ask({ op: 'submit', files: false, tasks, deps }),
    stop: async () => {
      child.stdin.end();
      if (!hasEnded(child)) await new Promise((done) => child.once('exit', done));
      removeFolder(folder);
    },
  };
}

async function startCommand(program, cpus) {
  if (!existsSync(program)) throw new Trouble(`HQ_PEER: there is no ${program}`);
  const folder = makeFolder();
  const options = { cwd: folder, env: { ...process.env, HQ_SERVER_DIR: join(folder, 'server') } };
  const children = [start(program, ['server', 'start'], options)];
  await mustRun(`${program} server wait`, program, ['server', 'wait', '--timeout', '30s'], options);
  if (cpus > 0) {
    children.unshift(start(program, ['worker', 'start', '--cpus', String(cpus)], options));
    await mustRun(`${program} worker wait`, program, ['worker', 'wait', '1'], options);
  }
  const submit = (tasks, ...more) => stopwatch(1, [program, 'submit', '--array', `1-${tasks}`, ...more, '--', '/bin/true'], options);
  const output = ({ files = false, stream = false }) => {
    if (stream) return ['--stream', 'logs'];
    return files ? [] : ['--stdout', 'none', '--stderr', 'none'];
  };
  return {
    name: program,
    run: async ({ tasks, deps, functions, ...kind }) =>
      deps === undefined && functions === undefined ? submit(tasks, '--wait', ...output(kind)) : undefined,
    submit: async (tasks, deps) => (deps === undefined ? submit(tasks, ...output({})) : undefined),
    stop: async () => {
      for (const child of children) await end(child);
      removeFolder(folder);
    },
  };
}
