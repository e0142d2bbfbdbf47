/**
 * Short tasks on a real worker: N x /bin/true on one worker with 2 CPUs, without output files, with them, and with --stream, beside the same
 * processes started from C. Called by run.mjs.
 */
import { Cluster, nothings } from './lib/cluster.mjs';
import { figure } from './lib/figures.mjs';
import { spawnLimit } from './lib/limits.mjs';
import { openPeer } from './lib/peer.mjs';
import { interleaved } from './lib/statistics.mjs';

const CPUS = 2;
const TASKS = { full: 5_000, quick: 300 };
/** Node's launcher is several times slower; fewer tasks show it just as well. */
const NODE_SHARE = 5;

const MODES = [
  { name: 'no files', goal: 1.25 },
  { name: 'files', files: true },
  { name: 'stream', stream: true, goal: 1.4 },
];

/** @param {{ rounds: number, quick: boolean }} options */
export async function run({ rounds, quick }) {
  const tasks = quick ? TASKS.quick : TASKS.full;
  const opened = await openPeer({ cpus: CPUS });
  const clusters = { auto: await Cluster.start(), node: await Cluster.start() };
  try {
    await clusters.auto.startWorker(CPUS);
    await clusters.node.startWorker(CPUS, { HQ_LAUNCHER: 'node' });
    const medians = await interleaved(rounds, measures(tasks, clusters, opened.peer));
    return {
      title: `${tasks} x /bin/true, one worker with ${CPUS} CPUs`,
      figures: figuresOf(medians, opened.peer),
      notes: notesOf(opened),
    };
  } finally {
    await opened.peer?.stop();
    for (const cluster of Object.values(clusters)) await cluster.stop();
  }
}

function measures(tasks, clusters, peer) {
  const few = Math.ceil(tasks / NODE_SHARE);
  const all = { limit: () => spawnLimit(tasks, CPUS) };
  for (const mode of MODES) {
    all[mode.name] = async () => (await runMode(clusters.auto, tasks, mode)) / tasks;
    // Whether the peer can do it is known from its first answer.
    if (peer !== undefined) all[`peer ${mode.name}`] = async () => ((await peer.run({ tasks, ...mode })) ?? Number.NaN) / tasks;
  }
  all.node = async () => (await runMode(clusters.node, few, MODES[0])) / few;
  return all;
}

function runMode(cluster, tasks, { files = false, stream = false }) {
  const { spec, ...array } = nothings(tasks);
  const hasOutput = files || stream;
  return cluster.runJob({ ...array, spec: hasOutput ? { command: spec.command } : spec }, stream ? { stream: 'logs' } : {});
}

function figuresOf(medians, peer) {
  const limit = { name: 'posix_spawn', value: medians.limit };
  const line = (name, value, more = {}) => figure({ name, value, unit: 'ms per task', limit, ...more });
  const figures = [line('limit: posix_spawn from C', medians.limit)];
  for (const { name, goal } of MODES) {
    const value = medians[`peer ${name}`];
    const isKnown = value !== undefined && !Number.isNaN(value);
    figures.push(line(name, medians[name], { peer: isKnown ? value : undefined, goal: goal && { max: goal, of: 'ratio' } }));
    if (isKnown) figures.push(line(`  ${peer.name}`, value));
  }
  return [...figures, line("no files, Node's launcher", medians.node)];
}

function notesOf({ peer, missing }) {
  return missing === undefined ? [`peer: ${peer.name}`] : [missing];
}
