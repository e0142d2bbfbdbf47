/**
 * Short tasks on a real worker: N x /bin/true on one worker with 2 CPUs, without output files, with them, and with --stream, beside the same
 * processes started from C. Called by run.mjs.
 */
import { Cluster, nothings } from './lib/cluster.mjs';
import { figure } from './lib/figures.mjs';
import { spawnLimit } from './lib/limits.mjs';
import { openPeer, peerNote, perTask } from './lib/peer.mjs';
import { interleaved, limitOf } from './lib/statistics.mjs';

const CPUS = 2;
const TASKS = { full: 5_000, quick: 300 };
/** Node's launcher is several times slower; fewer tasks show it just as well. So do fewer processes of the limit, which runs between any two. */
const FEWER = 5;

const MODES = [
  { name: 'no files', goal: 1.25 },
  { name: 'files', files: true },
  { name: 'stream', stream: true, goal: 1.4 },
];
const NODE_MODE = "no files, Node's launcher";

/** @param {{ rounds: number, quick: boolean }} options */
export async function run({ rounds, quick }) {
  const tasks = quick ? TASKS.quick : TASKS.full;
  const opened = await openPeer({ cpus: CPUS });
  const clusters = { auto: await Cluster.start(), node: await Cluster.start() };
  try {
    await clusters.auto.startWorker(CPUS);
    await clusters.node.startWorker(CPUS, { HQ_LAUNCHER: 'node' });
    const samples = await interleaved(rounds, measures(tasks, clusters, opened.peer), () => spawnLimit(tasks / FEWER, CPUS));
    const title = `${tasks} x /bin/true, one worker with ${CPUS} CPUs`;
    return { title, figures: figuresOf(samples, opened.peer), notes: [peerNote(opened)] };
  } finally {
    await opened.peer?.stop();
    for (const cluster of Object.values(clusters)) await cluster.stop();
  }
}

function measures(tasks, clusters, peer) {
  const all = {};
  for (const mode of MODES) {
    all[mode.name] = async () => (await runMode(clusters.auto, tasks, mode)) / tasks;
    if (peer !== undefined) all[`peer ${mode.name}`] = async () => perTask(await peer.run({ tasks, ...mode }), tasks);
  }
  const few = tasks / FEWER;
  all[NODE_MODE] = async () => (await runMode(clusters.node, few, MODES[0])) / few;
  return all;
}

function runMode(cluster, tasks, { files = false, stream = false }) {
  const { spec, ...array } = nothings(tasks);
  const hasOutput = files || stream;
  return cluster.runJob({ ...array, spec: hasOutput ? { command: spec.command } : spec }, stream ? { stream: 'logs' } : {});
}

function figuresOf(samples, peer) {
  const line = (name, of, more = {}) =>
    figure(samples, { name, of, unit: 'ms per task', limit: { name: 'posix_spawn', of: limitOf(of) }, ...more });
  const figures = [figure(samples, { name: 'limit: posix_spawn from C', of: 'limit', unit: 'ms per task' })];
  for (const { name, goal } of MODES) {
    figures.push(line(name, name, { peer: `peer ${name}`, goal: goal && { max: goal, of: 'ratio' } }));
    if (samples.has(`peer ${name}`)) figures.push(line(`  ${peer.name}`, `peer ${name}`));
  }
  return [...figures, line(NODE_MODE, NODE_MODE)];
}
