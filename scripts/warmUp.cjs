/**
 * usage: node warmUp.cjs command|service     runs dist/bin/command.js or service.js for a moment and writes its code cache. Started by lib/codeCache.mjs
 *
 * service: a server and a worker in this process, and commands that make them work. command: only the commands, the server is another process.
 * All on loopback, in a directory that is removed.
 */
const { spawn } = require('node:child_process');
const { mkdtempSync, renameSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join, resolve } = require('node:path');
const { PassThrough } = require('node:stream');

const kind = process.argv[2];
const bin = resolve(__dirname, '../dist/bin');
const folder = mkdtempSync(join(tmpdir(), 'hq-warm-'));
/** What `load.ts` does, without a cache; here from the built file, because there are no sources in a package. */
function load() {
  const { readFileSync } = require('node:fs');
  const { createRequire, wrap } = require('node:module');
  const { Script } = require('node:vm');
  const filename = join(bin, `${kind}.js`);
  const script = new Script(wrap(readFileSync(filename, 'latin1')), { filename });
  const module = { exports: {} };
  process.argv = [process.execPath, join(bin, 'hq.js'), '--version'];
  script.runInThisContext().call(module.exports, module.exports, createRequire(filename), module, filename, bin);
  return { script, runCli: module.exports.runCli };
}

/** The engine's code of what has run until now. */
function writeCache(script) {
  const target = join(bin, `${kind}.cache`);
  writeFileSync(`${target}.new`, script.createCachedData());
  renameSync(`${target}.new`, target);
}

const abort = new AbortController();

function io() {
  const sink = () => new PassThrough().resume();
  const env = { ...process.env, HQ_SERVER_DIR: join(folder, 'server'), HOME: folder };
  return { cwd: folder, env, stdin: new PassThrough().end(), stdout: sink(), stderr: sink(), signal: abort.signal };
}

const START = ['server', 'start', '--host', '127.0.0.1'];
const COMMANDS = [
  ['server', 'info'],
  ['submit', '--array', '1-2', '--cpus', '1', '--stdout', 'none', '--stderr', 'none', '--wait', '--', 'true'],
  ['submit', '--', 'true'],
  ['job', 'list', '--all'],
  ['job', 'list', '--all', '--output-mode', 'quiet'],
  ['job', 'info', 'last'],
  ['job', 'info', 'last', '--output-mode', 'json'],
  ['task', 'list', 'last'],
  ['worker', 'list'],
  ['job', 'wait', 'last'],
  ['job', 'cancel', 'all'],
];

/** Its end is the end of what this process has aborted. */
function serverElsewhere() {
  const child = spawn(process.execPath, [join(bin, 'hq.js'), ...START], { env: io().env, stdio: 'ignore' });
  abort.signal.addEventListener('abort', () => child.kill('SIGINT'));
  return new Promise((ended) => child.once('exit', ended));
}

async function main() {
  const { script, runCli } = load();
  const services = [kind === 'service' ? runCli(START, io()) : serverElsewhere()];
  if ((await runCli(['server', 'wait', '--timeout', '30s'], io())) !== 0) throw new Error('the server does not answer');
  if (kind === 'service') services.push(runCli(['worker', 'start', '--cpus', '1'], io()));
  for (const command of COMMANDS) {
    const waits = command.includes('--wait') || command.includes('wait');
    if (kind === 'service' || !waits) await runCli(command, io());
  }
  writeCache(script);
  abort.abort('SIGINT');
  await Promise.all(services);
}

main()
  .catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  })
  .finally(() => {
    rmSync(folder, { recursive: true, force: true });
    process.exit();
  });
