/**
 * Throughput of short tasks: N x /bin/true on one worker with 2 CPUs, without files, with files and with --stream, beside posix_spawn from C
 * in the same run. Every figure is a ratio against that limit; medians over interleaved rounds, because a shared machine drifts.
 *
 * usage: node test/bench/throughput.mjs [--tasks 5000] [--rounds 3] [--json]
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { connectClient } from '../../dist/client/client.js';
import { waitForServer } from '../../dist/client/wait.js';

const SLOTS = 2;
const MODES = [
  ['no files', { stdout: null, stderr: null }, false],
  ['files', {}, false],
  ['stream', {}, true],
];

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const tasks = Number(values.tasks);
const rounds = Number(values.rounds);

/** The C program, compiled once per run. */
function buildLimit() {
  mkdirSync('build/bench', { recursive: true });
  const binary = resolve('build/bench/limit');
  execFileSync('cc', ['-O2', '-o', binary, resolve('test/bench/limit.c')]);
  return () => Number(execFileSync(binary, [String(tasks), String(SLOTS), '/bin/true'], { encoding: 'utf8' }));
}

/** Starts one server and one worker; `stop` ends both and removes their directory. */
async function startCluster() {
  const root = mkdtempSync(join(tmpdir(), 'hq-bench-'));
  const env = { ...process.env, HQ_SERVER_DIR: join(root, 'server') };
  const hq = (...args) => spawn(process.execPath, [resolve('dist/bin/hq.js'), ...args], { env, cwd: root, stdio: 'ignore' });
  const server = hq('server', 'start', '--host', '127.0.0.1');
  const client = await waitForServer({ env, timeoutMs: 20_000 });
  const events = client.events({ after: 0, types: ['worker-connected'] });
  const worker = hq('worker', 'start', '--cpus', String(SLOTS));
  await events.next();
  await events.return();
  const stop = async () => {
    client.close();
    for (const child of [worker, server]) {
      child.kill('SIGINT');
      await new Promise((done) => child.once('exit', done));
    }
    rmSync(root, { recursive: true, force: true });
  };
  return { root, env, stop };
}

/** Milliseconds per task from the submit to the end of the job. */
async function measure({ root, env }, [, stdio, stream]) {
  const client = await connectClient({ env });
  const events = client.events({ types: ['job-completed'] });
  await events.ready();
  const started = performance.now();
  const spec = { command: ['/bin/true'], ...stdio };
  const submit = { submitDir: root, ...(stream ? { stream: 'logs' } : {}), tasks: { kind: 'array', ids: `1-${tasks}`, spec } };
  await client.createJob({ name: 'bench', submit });
  await events.next();
  const elapsed = performance.now() - started;
  await events.return();
  client.close();
  return elapsed / tasks;
}

function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

const limit = buildLimit();
const cluster = await startCluster();
try {
  const limits = [];
  const results = MODES.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    limits.push(limit());
    for (const [index, mode] of MODES.entries()) results[index].push(await measure(cluster, mode));
  }
  const denominator = median(limits);
  const rows = MODES.map(([name], index) => ({ name, msPerTask: median(results[index]), ratio: median(results[index]) / denominator }));
  if (values.json) console.log(JSON.stringify({ tasks, rounds, limitMsPerTask: denominator, rows }));
  else {
    console.log(`${tasks} x /bin/true, one worker with ${SLOTS} CPUs, median of ${rounds}`);
    console.log(`posix_spawn from C  ${denominator.toFixed(3)} ms per task  1.00 x`);
    for (const { name, msPerTask, ratio } of rows)
      console.log(`${name.padEnd(18)}  ${msPerTask.toFixed(3)} ms per task  ${ratio.toFixed(2)} x`);
  }
} finally {
  await cluster.stop();
}
