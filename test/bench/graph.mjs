/**
 * A graph: 10,000 tasks in layers, each after three tasks of the layer before, beside as many unlike tasks without dependencies. On simulated workers
 * (the server's share) and with /bin/true on one real worker. Called by run.mjs.
 */
import { Cluster } from './lib/cluster.mjs';
import { figure } from './lib/figures.mjs';
import { openPeer, peerNote, perTask } from './lib/peer.mjs';
import { interleaved } from './lib/statistics.mjs';

const TASKS = { full: 10_000, quick: 500 };
const LAYERS = 10;
/** Distances in the layer before; any will do that spread the dependencies. */
const STEPS = [0, 7, 101];
const CPUS = 2;
const SIMULATED = { workers: 16, slots: 16 };

/** @param {{ rounds: number, quick: boolean }} options */
export async function run({ rounds, quick }) {
  const tasks = quick ? TASKS.quick : TASKS.full;
  const deps = layered(tasks);
  const opened = await openPeer({ cpus: CPUS });
  const clusters = { simulated: await Cluster.start(), real: await Cluster.start() };
  try {
    await clusters.simulated.simulate(SIMULATED);
    await clusters.real.startWorker(CPUS);
    const samples = await interleaved(rounds, measures(deps, clusters, opened.peer));
    const notes = [peerNote(opened)];
    if (samples.has('peer independent') && !samples.has('peer graph')) notes.push('this peer takes no graph from the command line');
    return { title: `graph of ${tasks} tasks with ${STEPS.length} dependencies each`, figures: figuresOf(samples, opened.peer), notes };
  } finally {
    await opened.peer?.stop();
    for (const cluster of Object.values(clusters)) await cluster.stop();
  }
}

/** @returns {number[][]} for each task, counted from 0, those it depends on */
function layered(tasks) {
  const width = tasks / LAYERS;
  return Array.from({ length: tasks }, (_, task) => {
    const before = Math.floor(task / width) - 1;
    return before < 0 ? [] : STEPS.map((step) => before * width + ((task + step) % width));
  });
}

function measures(deps, clusters, peer) {
  const tasks = deps.length;
  const independent = deps.map(() => []);
  const all = {};
  for (const [name, cluster] of Object.entries(clusters)) {
    for (const [kind, each] of Object.entries({ independent, graph: deps })) {
      all[`${name} ${kind}`] = async () => (await cluster.runJob(graphOf(each))) / tasks;
    }
  }
  if (peer !== undefined) {
    const width = tasks / LAYERS;
    all['peer independent'] = async () => perTask(await peer.run({ tasks }), tasks);
    all['peer graph'] = async () => perTask(await peer.run({ tasks, deps, width }), tasks);
  }
  return all;
}

function graphOf(deps) {
  const shared = { command: ['/bin/true'], stdout: null, stderr: null };
  return { kind: 'graph', shared, tasks: deps.map((each, id) => (each.length === 0 ? { id } : { id, deps: each })) };
}

function figuresOf(samples, peer) {
  const kinds = [
    ['simulated', `${SIMULATED.workers} x ${SIMULATED.slots} simulated slots`],
    ['real', `/bin/true, ${CPUS} CPUs`],
    ['peer', `  ${peer?.name}`],
  ];
  return kinds.flatMap(([kind, label]) =>
    ['independent', 'graph']
      .filter((shape) => samples.has(`${kind} ${shape}`))
      .map((shape) => {
        const limit = { name: 'independent tasks', of: `${kind} independent` };
        const best = kind === 'real' ? `peer ${shape}` : undefined;
        return figure(samples, { name: `${label}, ${shape}`, of: `${kind} ${shape}`, unit: 'ms per task', limit, peer: best });
      }),
  );
}
