/** A worker that provides CPUs and nothing else, as on hosts where memory is not to be counted. Started by the tests' fixtures. */
import { runWorker } from '../../../dist/worker/main.js';

const [serverDir, cpus] = process.argv.slice(2);
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort(name));
process.exitCode = await runWorker({
  serverDir,
  overrides: { detect: [], cpus: { name: 'cpus', kind: 'range', start: 0, end: Number(cpus) - 1 } },
  io: { stderr: process.stderr, env: process.env, signal: stop.signal },
});
