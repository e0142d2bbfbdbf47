/**
 * How long a command line takes from its start to its end beside a Node that does nothing, and a server from its start to its first answer. Called
 * by run.mjs.
 */
import { existsSync } from 'node:fs';
import { hq, hqfront } from '../../scripts/lib/paths.mjs';
import { Cluster } from './lib/cluster.mjs';
import { figure } from './lib/figures.mjs';
import { nodeLimit, stopwatch } from './lib/limits.mjs';
import { interleaved, limitOf } from './lib/statistics.mjs';

/** Runs per round: one is a few milliseconds. */
const RUNS = { full: { commands: 10, servers: 3 }, quick: { commands: 2, servers: 1 } };

const COMMANDS = [
  { name: 'hq --version', args: ['--version'] },
  { name: 'hq job list', args: ['job', 'list'] },
  {
    name: 'hq submit -- /bin/true',
    args: ['submit', '--', '/bin/true'],
    goals: { plain: { max: 1.5, of: 'ratio' }, front: { max: 6, of: 'value' } },
  },
];
const SERVER_GOAL_MS = 180;

/** @param {{ rounds: number, quick: boolean }} options */
export async function run({ rounds, quick }) {
  const { commands: count, servers } = quick ? RUNS.quick : RUNS.full;
  const front = existsSync(hqfront) ? hqfront : undefined;
  const cluster = await Cluster.start();
  try {
    const options = { cwd: cluster.root, env: cluster.env };
    const off = { ...options, env: { ...cluster.env, HQ_FRONT: 'off' } };
    const measures = {};
    for (const { name, args } of COMMANDS) {
      measures[`${name} plain`] = () => stopwatch(count, [process.execPath, hq, ...args], options);
      if (front === undefined) continue;
      measures[`${name} front`] = () => stopwatch(count, [front, ...args], options);
      measures[`${name} off`] = () => stopwatch(count, [front, ...args], off);
    }
    measures['server new'] = () => startNew(servers);
    measures['server existing'] = () => startAgain(servers);
    const samples = await interleaved(rounds, measures, () => nodeLimit(count));
    const notes = front === undefined ? ['no native front was built: the lines of hq are the plain script'] : [];
    return { title: 'start of commands and servers', figures: figuresOf(samples, front !== undefined), notes };
  } finally {
    await cluster.stop();
  }
}

/** Milliseconds from the start of a server on an empty directory to its first answer. */
async function startNew(count) {
  let sum = 0;
  for (let i = 0; i < count; i += 1) {
    const cluster = new Cluster();
    sum += await cluster.startServer();
    await cluster.stop();
  }
  return sum / count;
}

/** The same on a directory that has an identity and a journal. */
async function startAgain(count) {
  const cluster = await Cluster.start();
  let sum = 0;
  for (let i = 0; i < count; i += 1) {
    await cluster.killServer();
    sum += await cluster.startServer();
  }
  await cluster.stop();
  return sum / count;
}

function figuresOf(samples, hasFront) {
  const line = (name, of, goal) => figure(samples, { name, of, unit: 'ms', limit: { name: 'node -e 0', of: limitOf(of) }, goal });
  const figures = [figure(samples, { name: 'limit: node -e 0', of: 'limit', unit: 'ms' })];
  for (const { name, goals } of COMMANDS) {
    figures.push(line(name.replace('hq', 'node hq.js'), `${name} plain`, goals?.plain));
    if (!hasFront) continue;
    figures.push(line(`${name}, front`, `${name} front`, goals?.front));
    figures.push(line(`${name}, HQ_FRONT=off`, `${name} off`, goals?.plain));
  }
  const goal = { max: SERVER_GOAL_MS, of: 'value' };
  figures.push(line('hq server start until the first answer, new identity', 'server new', goal));
  figures.push(line('hq server start until the first answer, existing one', 'server existing', goal));
  return figures;
}
