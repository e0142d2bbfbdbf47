/**
 * How costs grow with the number of tasks of a job: submit, lists, cancel, restart and the server's memory with 10,000 to 1,000,000 waiting tasks, then
 * the same job run to its end on simulated workers. Called by run.mjs.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { hq } from '../../scripts/lib/paths.mjs';
import { Cluster, nothings } from './lib/cluster.mjs';
import { figure, growthFigure } from './lib/figures.mjs';
import { nodeLimit, socketLimit, stopwatch, writeDurably } from './lib/limits.mjs';
import { openPeer, peerNote } from './lib/peer.mjs';
import { residentBytes } from './lib/processes.mjs';
import { exponent, Samples } from './lib/statistics.mjs';

const SIZES = { full: [10_000, 100_000, 1_000_000], quick: [1_000, 10_000] };
const SIMULATED = { workers: 16, slots: 16 };
const MB = 1_000_000;
/** Memory has settled when so many looks in a row have found no less. */
const SETTLED_LOOKS = 20;
const LOOK_MS = 100;
/** Its Python API holds an object per task, so that it ends here. */
const PEER_MOST_TASKS = 100_000;
const GROWTH_GOAL = { max: 1.05, of: 'value' };
/** What is measured, in the order of the table; `limit` names the measurement that bounds it, `goal` is for the largest job. */
const MEASURES = [
  { name: 'submit', label: 'submit until acknowledged', unit: 'ms', limit: 'acknowledged', goal: { max: 300, of: 'value' } },
  { name: 'submit cli', label: 'hq submit --array', unit: 'ms', limit: 'node' },
  { name: 'memory waiting', label: 'memory, waiting tasks', unit: 'MB', limit: 'memory empty' },
  { name: 'list jobs', label: 'list jobs', unit: 'ms', limit: 'call' },
  { name: 'list tasks', label: 'list all tasks', unit: 'ms', limit: 'json' },
  { name: 'restart waiting', label: 'restart, waiting tasks', unit: 'ms', limit: 'node' },
  { name: 'cancel', label: 'cancel', unit: 'ms', limit: 'acknowledged' },
  { name: 'run', label: 'run on simulated workers', unit: 'ms', limit: 'sockets' },
  { name: 'memory finished', label: 'memory, finished tasks', unit: 'MB', limit: 'memory empty', goal: { max: 200, of: 'value' } },
  { name: 'restart finished', label: 'restart, finished tasks', unit: 'ms', limit: 'node' },
];
const LIMITS = {
  node: 'node -e 0',
  acknowledged: 'call + fsync',
  call: 'empty call',
  json: 'JSON of the same',
  sockets: 'bare sockets',
  'memory empty': 'without tasks',
};

/** @param {{ rounds: number, quick: boolean }} options */
export async function run({ rounds, quick }) {
  const sizes = quick ? SIZES.quick : SIZES.full;
  const opened = await openPeer({ cpus: 0 });
  const samples = new Map(sizes.map((size) => [size, new Samples()]));
  try {
    for (let round = 0; round < rounds; round += 1) {
      for (const [size, at] of samples) {
        await measureWaiting(size, at);
        await measureFinished(size, at);
        if (opened.peer !== undefined && size <= PEER_MOST_TASKS) at.add('peer', await opened.peer.submit(size));
      }
    }
  } finally {
    await opened.peer?.stop();
  }
  const note = `${peerNote(opened)}; it takes a submit ${process.env.HQ_PEER === undefined ? 'through its Python API' : 'on the command line'}`;
  const figures = MEASURES.flatMap((measure) => figuresOf(measure, samples));
  return { title: 'growth with the number of tasks of an array', figures, notes: [note] };
}

/** A server without workers. */
async function measureWaiting(size, samples) {
  const cluster = await Cluster.start();
  try {
    const { client } = cluster;
    await samples.time('call', () => client.health());
    await samples.time('acknowledged', async () => {
      await client.health();
      writeDurably(cluster.root);
    });
    samples.add('memory empty', memory(cluster));
    const { jobId } = await samples.time('submit', () => cluster.submit(nothings(size)));
    samples.add('memory waiting', memory(cluster));
    await samples.time('list jobs', () => client.listJobs());
    const pages = await samples.time('list tasks', () => allTasks(client, jobId));
    await samples.time('json', () => pages.map((page) => JSON.parse(JSON.stringify(page))));
    samples.add('node', await nodeLimit(1));
    const cli = [process.execPath, hq, 'submit', '--array', `1-${size}`, '--', '/bin/true'];
    samples.add('submit cli', await stopwatch(1, cli, { env: cluster.env, cwd: cluster.root }));
    await cluster.killServer();
    samples.add('restart waiting', await cluster.startServer());
    await samples.time('cancel', () => cluster.client.cancel(jobId));
  } finally {
    await cluster.stop();
  }
}

/** The same array run to its end. */
async function measureFinished(size, samples) {
  const cluster = await Cluster.start();
  try {
    const simulation = await cluster.simulate(SIMULATED);
    await simulation.traffic();
    samples.add('run', await cluster.runJob(nothings(size)));
    samples.add('memory finished', await settledMemory(cluster));
    samples.add('sockets', (await socketLimit(await simulation.traffic())).wallMs);
    await cluster.endWorkers();
    await cluster.killServer();
    samples.add('restart finished', await cluster.startServer());
  } finally {
    await cluster.stop();
  }
}

const memory = ({ server }) => residentBytes(server.pid) / MB;

/** A server gives the memory of a large job back a moment after its end: what remains is what it keeps. */
async function settledMemory(cluster) {
  let lowest = memory(cluster);
  for (let calm = 0; calm < SETTLED_LOOKS; calm += 1) {
    await delay(LOOK_MS);
    if (memory(cluster) < lowest * 0.99) calm = 0;
    lowest = Math.min(lowest, memory(cluster));
  }
  return lowest;
}

async function allTasks(client, jobId) {
  const pages = [];
  for (let page = await client.listTasks(jobId); page.length > 0; page = await client.listTasks(jobId, { after: page.at(-1).id })) {
    pages.push(page);
  }
  return pages;
}

/** One figure per size, and how they grow: from the smallest to the largest, and over the last step, which a constant share does not hide. */
function figuresOf({ name, label, unit, limit, goal }, samples) {
  const sizes = [...samples.keys()];
  const figures = sizes.map((size) =>
    figure(samples.get(size), {
      name: `${label}, ${size.toLocaleString('en-US')}`,
      of: name,
      unit,
      limit: { name: LIMITS[limit], of: limit },
      peer: name === 'submit' ? 'peer' : undefined,
      goal: size === sizes.at(-1) ? goal : undefined,
    }),
  );
  const growth = (from) => exponent(from.map((size) => [size, samples.get(size).median(name)]));
  const line = (title, from) => growthFigure({ name: title, value: growth(from), goal: GROWTH_GOAL });
  return [...figures, line('  growth (exponent)', sizes), line('  growth over the last step', sizes.slice(-2))];
}
