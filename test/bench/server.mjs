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
/** For a smoke test: a tenth of the tasks, and no thousand handshakes. */
const QUICK = { fewer: 10, mostWorkers: 16 };
/** Before the first round, so that the server's code is compiled. */
const WARM_UP_SHARE = 5;

/** @param {{ rounds: number, quick: boolean }} options */
export async function run({ rounds, quick }) {
  const shapes = quick ? SHAPES.filter(({ workers }) => workers <= QUICK.mostWorkers).map(fewerTasks) : SHAPES;
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

const fewerTasks = (shape) => ({ ...shape, tasks: shape.tasks / QUICK.fewer });

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
  const line = (name, of, more) => figure(samples, { name, of, unit: 'us per task', ...more });
  const [wall, cpu] = ['wall', 'cpu'].map((of) => ({ name: 'bare sockets', of: `limit ${of}` }));
  const goal = shape.goal && { max: shape.goal, of: 'value' };
  return [
    line(`${shape.workers} worker(s) x ${shape.slots} slots`, 'wall', { limit: wall, goal }),
    line('  CPU of the server', 'cpu', { limit: cpu }),
    line('  of it the main thread', 'main', { limit: cpu }),
    line('  frames to workers', 'tasks per frame', { unit: 'tasks per frame' }),
  ];
}
