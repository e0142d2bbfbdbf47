/**
 * The server alone: simulated workers answer at once, so that what a task takes is the server's share. Beside it the same frames and bytes over
 * bare sockets. Called by run.mjs.
 */
import { Cluster, nothings } from './lib/cluster.mjs';
import { figure } from './lib/figures.mjs';
import { socketLimit } from './lib/limits.mjs';
import { cpuTimes } from './lib/processes.mjs';
import { Samples } from './lib/statistics.mjs';

const US_PER_MS = 1000;

const SHAPES = [
  { workers: 1, slots: 2, tasks: 20_000, goal: 40 },
  { workers: 1, slots: 16, tasks: 50_000 },
  { workers: 16, slots: 16, tasks: 100_000, goal: 15 },
  { workers: 256, slots: 16, tasks: 100_000 },
  { workers: 1_000, slots: 16, tasks: 100_000 },
];
/** For a smoke test: fewer tasks, and no thousand handshakes. */
const QUICK = { tasks: 10, mostWorkers: 64 };
/** Before the first round, so that the server's code is compiled. */
const WARM_UP_SHARE = 5;

/** @param {{ rounds: number, quick: boolean }} options */
export async function run({ rounds, quick }) {
  const shapes = SHAPES.map((shape) => (quick ? smaller(shape) : shape));
  const stands = [];
  try {
    for (const shape of shapes) stands.push(await setUp(shape));
    for (let round = 0; round < rounds; round += 1) for (const stand of stands) await measure(stand);
    return {
      title: 'server without exec: simulated workers over TLS',
      figures: stands.flatMap(figuresOf),
      notes: ['limit: the same frames and bytes over bare sockets between two processes; CPU beside that of one end'],
    };
  } finally {
    for (const { cluster } of stands) await cluster.stop();
  }
}

function smaller({ workers, tasks, ...shape }) {
  return { ...shape, workers: Math.min(workers, QUICK.mostWorkers), tasks: tasks / QUICK.tasks };
}

/** Every shape has a server of its own that lives through all rounds; idle ones cost nothing. */
async function setUp(shape) {
  const cluster = await Cluster.start();
  const simulation = await cluster.simulate(shape);
  await cluster.runJob(nothings(shape.tasks / WARM_UP_SHARE));
  return { shape, cluster, simulation, samples: new Samples() };
}

async function measure({ shape: { tasks }, cluster, simulation, samples }) {
  await simulation.traffic();
  const before = cpuTimes(cluster.server.pid);
  const add = (name, ms) => samples.add(name, (ms / tasks) * US_PER_MS);
  add('wall', await cluster.runJob(nothings(tasks)));
  const after = cpuTimes(cluster.server.pid);
  add('cpu', after.allMs - before.allMs);
  add('main', after.mainMs - before.mainMs);
  const traffic = await simulation.traffic();
  samples.add('tasks per frame', tasks / traffic.framesDown);
  const limit = await socketLimit(traffic);
  add('limit wall', limit.wallMs);
  add('limit cpu', limit.cpuMs);
}

function figuresOf({ shape, samples }) {
  const medians = samples.medians();
  const unit = 'us per task';
  const [wall, cpu] = ['wall', 'cpu'].map((name) => ({ name: 'bare sockets', value: medians[`limit ${name}`] }));
  const goal = shape.goal && { max: shape.goal, of: 'value' };
  return [
    figure({ name: `${shape.workers} worker(s) x ${shape.slots} slots`, value: medians.wall, unit, limit: wall, goal }),
    figure({ name: '  CPU of the server', value: medians.cpu, unit, limit: cpu }),
    figure({ name: '  of it the main thread', value: medians.main, unit, limit: cpu }),
    figure({ name: '  frames to workers', value: medians['tasks per frame'], unit: 'tasks per frame' }),
  ];
}
