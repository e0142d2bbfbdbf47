/**
 * The consolidated log: tasks that print much through --stream on one worker beside a plain copy of the same bytes, and reading it with
 * `hq output-log` beside `cat`. Called by run.mjs.
 */
import { closeSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { hq } from '../../scripts/lib/paths.mjs';
import { Trouble } from '../../scripts/lib/text.mjs';
import { Cluster } from './lib/cluster.mjs';
import { figure } from './lib/figures.mjs';
import { stopwatch } from './lib/limits.mjs';
import { interleaved } from './lib/statistics.mjs';

const CPUS = 2;
const SIZES = { full: { tasks: 32, taskMb: 8 }, quick: { tasks: 4, taskMb: 4 } };
const MB = 1_000_000;
const LINE = `${'a line of output as programs print them, with a number: '.padEnd(79, '7')}\n`;

/** @param {{ rounds: number, quick: boolean }} options */
export async function run({ rounds, quick }) {
  const { tasks, taskMb } = quick ? SIZES.quick : SIZES.full;
  const totalMb = tasks * taskMb;
  const cluster = await Cluster.start();
  try {
    await cluster.startWorker(CPUS);
    const data = writeData(cluster.root, taskMb);
    const samples = await interleaved(rounds, measures({ cluster, data, tasks, totalMb }));
    return { title: `${tasks} tasks that print ${taskMb} MB each, one worker with ${CPUS} CPUs`, figures: figuresOf(samples), notes: [] };
  } finally {
    await cluster.stop();
  }
}

/** What every task prints. */
function writeData(folder, megabytes) {
  const path = join(folder, 'data');
  const file = openSync(path, 'w');
  const block = Buffer.from(LINE.repeat(MB / LINE.length));
  for (let i = 0; i < megabytes; i += 1) writeSync(file, block);
  closeSync(file);
  return path;
}

/** In this order within a round: what is read was just written. */
function measures({ cluster, data, tasks, totalMb }) {
  const [logs, copy] = [join(cluster.root, 'logs'), join(cluster.root, 'copy')];
  const rate = (ms) => (totalMb / ms) * 1000;
  const shell = (script) => stopwatch(1, ['sh', '-c', script, 'sh', ...Array(tasks).fill(data)], { cwd: cluster.root });
  return {
    copy: async () => rate(await shell('cat "$@" > copy')),
    write: async () => {
      rmSync(logs, { recursive: true, force: true });
      return rate(await cluster.runJob({ kind: 'array', ids: `1-${tasks}`, spec: { command: ['cat', data] } }, { stream: logs }));
    },
    cat: async () => rate(await stopwatch(1, ['cat', copy])),
    read: async () => {
      checkSize(logs, totalMb);
      const [{ id }] = (await cluster.client.listJobs()).slice(-1);
      return rate(await stopwatch(1, [process.execPath, hq, 'output-log', logs, 'cat', String(id), 'stdout']));
    },
  };
}

function checkSize(folder, totalMb) {
  const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  if (bytes < totalMb * MB) throw new Trouble(`${folder} holds ${bytes} bytes of ${totalMb} MB`);
}

function figuresOf(samples) {
  const line = (name, of, limit) => figure(samples, { name, of, unit: 'MB/s', limit, isRate: true });
  return [
    line('limit: cat > file', 'copy'),
    line('write: --stream', 'write', { name: 'cat > file', of: 'copy' }),
    line('limit: cat file', 'cat'),
    line('read: hq output-log cat', 'read', { name: 'cat', of: 'cat' }),
  ];
}
