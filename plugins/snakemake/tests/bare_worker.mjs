/** A worker that provides CPUs and nothing else, as on hosts where memory is not to be counted. Started by the tests' fixtures. */
import { pathToFileURL } from 'node:url';

const [serverDir, cpus] = process.argv.slice(2);
const { runWorker } = await import(new URL('../worker/main.js', pathToFileURL(process.env.HQ_BRIDGE_HQ)));
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort(name));
process.exitCode = await runWorker({
  serverDir,
  overrides: { detect: [], cpus: { name: 'cpus', kind: 'range', start: 0, end: Number(cpus) - 1 } },
  io: { stderr: process.stderr, env: process.env, signal: stop.signal },
});
