/**
 * The scheduler alone, on simulated clusters: the pure core with workers that start what they are given and end it after its time, on a clock of its
 * own. How long a turn takes, how much of the cluster is used, and how far the end is from what no scheduler can beat. Called by run.mjs.
 */
import { compile } from '../../scripts/lib/compile.mjs';
import { figure } from './lib/figures.mjs';
import { Cluster } from './lib/simulatedCluster.mjs';
import { Samples } from './lib/statistics.mjs';

const SECOND_MS = 1_000;

/**
 * `node`: what one worker has, in groups (NUMA) of so many each. Amounts of tasks and how they are picked out of groups are drawn from the lists, times
 * between the two given, seconds.
 */
const SHAPES = [
  {
    name: 'CPUs and GPUs in 4 groups, 200 classes',
    node: { cpus: { groups: 4, each: 32 }, gpus: { groups: 4, each: 2 } },
    classes: 200,
    cpus: [1, 1, 1, 2, 2, 4, 4, 8, 16],
    gpus: [0, 0, 0, 0, 0, 0, 0.5, 1],
    policies: ['compact', 'compact', 'compact', 'compact!', 'tight', 'scatter'],
    seconds: [60, 600],
  },
  {
    name: 'one class of one CPU',
    node: { cpus: { groups: 1, each: 128 } },
    classes: 1,
    cpus: [1],
    gpus: [0],
    policies: ['compact'],
    seconds: [60, 600],
  },
];
const SIZES = { full: { workers: 1_000, tasks: 1_000_000 }, quick: { workers: 50, tasks: 20_000 } };
/** Of the scarcest resource, outside the tail: as long as something waits. */
const UNUSED_GOAL = { max: 0.05, of: 'value' };

const load = await compile('bench/scheduler', [
  'core/core.ts',
  'core/reactor/onSubmit.ts',
  'core/reactor/onUpdates.ts',
  'core/reactor/onWorker.ts',
  'core/schedule/plan.ts',
  'core/workerTable.ts',
  'resources/pool.ts',
  'core/retryPolicy.ts',
  'common/intArray.ts',
  'protocol/messages/worker.ts',
]);

/** @param {{ rounds: number, quick: boolean }} options */
export async function run({ rounds, quick }) {
  const size = quick ? SIZES.quick : SIZES.full;
  const parts = Object.assign({}, ...(await Promise.all(PARTS.map((part) => load(part)))));
  const figures = [];
  for (const shape of SHAPES) {
    const samples = new Samples();
    for (let round = 0; round < rounds; round += 1) simulate(parts, { shape, size, samples, seed: round + 1 });
    figures.push(...figuresOf(shape, samples));
  }
  return {
    title: `scheduler on a simulated cluster: ${size.workers} workers, ${size.tasks} tasks`,
    figures,
    notes: ['limit: total work divided by what the cluster has, both of the scarcest resource'],
  };
}

const PARTS = [
  'core/core.js',
  'core/reactor/onSubmit.js',
  'core/reactor/onUpdates.js',
  'core/reactor/onWorker.js',
  'core/schedule/plan.js',
  'core/workerTable.js',
  'resources/pool.js',
  'core/retryPolicy.js',
  'common/intArray.js',
  'protocol/messages/worker.js',
];

function simulate(parts, { shape, size, samples, seed }) {
  const random = generator(seed);
  const cluster = new Cluster(parts, { workers: size.workers, node: shape.node });
  const perClass = Math.floor(size.tasks / shape.classes);
  for (let index = 0; index < shape.classes; index += 1) {
    const need = (amounts) => ({ amount: pick(amounts, random), policy: pick(shape.policies, random) });
    const needs = { cpus: need(shape.cpus), gpus: need(shape.gpus) };
    const [least, most] = shape.seconds;
    cluster.submit({ count: perClass, needs, durationOf: () => Math.round((least + random() * (most - least)) * SECOND_MS) });
  }
  const { makespanMs, boundMs, used, turnsUs } = cluster.runToEnd();
  samples.add('makespan', makespanMs / SECOND_MS);
  samples.add('bound', boundMs / SECOND_MS);
  samples.add('unused', 1 - used);
  const sorted = turnsUs.sort((a, b) => a - b);
  samples.add('turn', sorted[Math.floor(sorted.length / 2)] ?? 0);
  samples.add('slow turn', sorted[Math.floor(sorted.length * 0.99)] ?? 0);
  samples.add('per task', sorted.reduce((sum, us) => sum + us, 0) / (perClass * shape.classes));
}

function figuresOf({ name }, samples) {
  const line = (title, of, unit, more = {}) => figure(samples, { name: title, of, unit, ...more });
  return [
    line(`${name}: makespan`, 'makespan', 's', { limit: { name: 'lower bound', of: 'bound' } }),
    line('  unused while tasks wait', 'unused', 'of 1', { goal: UNUSED_GOAL }),
    line('  per task', 'per task', 'us'),
    line('  turn, median', 'turn', 'us'),
    line('  turn, 99 of 100', 'slow turn', 'us'),
  ];
}

/** The same numbers for the same seed (mulberry32). */
function generator(seed) {
  let state = seed * 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const pick = (list, random) => list[Math.floor(random() * list.length)];
