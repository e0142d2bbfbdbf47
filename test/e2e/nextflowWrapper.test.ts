/**
 * Tasks whose command is Nextflow's `.command.run`: what becomes of the exit code that Nextflow waits for, however the task ends. The scripts here do what
 * Nextflow's does (a trap leaves the code); tests with Nextflow itself are in test/nextflow.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cluster, FRONT, type HqProcess, processesBelow, waitFor } from '../helpers/cluster.ts';

/** Built where there is a C compiler. */
const HQSPAWN = resolve('dist/worker/launcher/hqspawn');

let cluster: Cluster;
let server: HqProcess;
let worker: HqProcess;

beforeEach(async () => {
  cluster = new Cluster();
  server = await cluster.startServer();
  worker = await cluster.startWorker(['--cpus', '1', '--heartbeat', '1s']);
});
afterEach(() => cluster.stop());

/** A task of Nextflow in a directory of its own. */
class NextflowTask {
  readonly directory: string = mkdtempSync(join(cluster.work, 'task '));
  id = '';

  /**
   * @param body of the script: with it comes a trap that leaves the exit code, and a line in `instances` for each time that it is started
   * @param lines beside those that Nextflow always writes
   */
  async submit(body: string, lines: readonly string[] = []): Promise<this> {
    const directory = `"${this.directory.replaceAll(' ', '\\ ')}"`;
    const stream = `"${this.directory.replaceAll(' ', '\\ ')}/.command.log"`;
    const head = ['--name nf-x', `--stream ${stream}`, `--cwd ${directory}`, ...lines].map((line) => `#HQ ${line}`);
    const trap = `on_exit() { local code="\${1:-$?}"; printf -- "$code" >.exitcode; exit "$code"; }\ntrap on_exit EXIT\ntrap 'on_exit 130' INT TERM`;
    writeFileSync(this.path('.command.run'), ['#!/bin/bash', ...head, 'echo >>instances', trap, body, ''].join('\n'));
    const { code, stdout, stderr } = await cluster.hq(['--output-mode=quiet', 'submit', '--directives=file', '.command.run'], {
      cwd: this.directory,
    });
    expect([code, stderr]).toEqual([0, '']);
    this.id = stdout.trim();
    return this;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  read(name: string): string {
    return existsSync(this.path(name)) ? readFileSync(this.path(name), 'utf8') : '';
  }

  get instances(): number {
    return this.read('instances').length;
  }

  started(instances = 1): Promise<unknown> {
    return waitFor('the script to run', () => this.instances === instances && existsSync(this.path('ready')));
  }

  /** `FINISHED`, `FAILED` or `CANCELED`. */
  async end(): Promise<string> {
    await cluster.hq(['job', 'wait', this.id]);
    const states = await cluster.ok(['--output-mode=quiet', 'job', 'list', '--all']);
    return new RegExp(`^${this.id} (\\w+)$`, 'm').exec(states)?.[1] ?? 'unknown';
  }
}

const submit = (body: string, ...lines: string[]): Promise<NextflowTask> => new NextflowTask().submit(body, lines);
/** Tasks die with their worker, unless Node has to start them. */
async function killWorker(): Promise<void> {
  await worker.kill('SIGKILL');
  if (!existsSync(HQSPAWN)) for (const { pid } of processesBelow(cluster.work)) process.kill(pid, 'SIGKILL');
}

/** Runs until it is ended. */
const WAITS = 'touch ready; while :; do sleep 0.05; done';

test('an exit code that the script has left stays; its output is one text; one that it has not left is written, with the reason', async () => {
  const own = await submit('echo out; echo err >&2; exit 3');
  expect([await own.end(), own.read('.exitcode'), own.read('.command.log'), own.read('.command.err')]).toEqual([
    'FAILED',
    '3',
    'out\nerr\n',
    '',
  ]);

  const early = await submit('trap - EXIT; exit 9');
  expect([await early.end(), early.read('.exitcode')]).toEqual(['FAILED', '9']);

  const killed = await submit('printf half >.command.err; kill -9 $$');
  expect([await killed.end(), killed.read('.exitcode')]).toEqual(['FAILED', '137']);
  expect(killed.read('.command.err')).toBe('half\nhq: Program terminated with exit code -1. Received signal 9 (SIGKILL).\n');

  const limited = await submit(`trap '' INT; ${WAITS}`, '--time-limit 1sec');
  expect([await limited.end(), limited.read('.exitcode'), limited.read('.command.err')]).toEqual([
    'FAILED',
    '130',
    'hq: Time limit reached\n',
  ]);

  const noShell = new NextflowTask();
  mkdirSync(noShell.path('.command.log'));
  await noShell.submit('true');
  expect([await noShell.end(), noShell.read('.exitcode')]).toEqual(['FAILED', '126']);
  expect(noShell.read('.command.err')).toMatch(/^hq: .*command\.log.*Is a directory/);
});

test('a canceled task has an exit code, also when it never ran', async () => {
  const running = await submit(WAITS);
  const waiting = await submit('true');
  await running.started();
  // The newest is canceled first, so that it does not start in the place of the other.
  await cluster.ok(['job', 'cancel', `${waiting.id},${running.id}`]);
  await waitFor('both exit codes', () => running.read('.exitcode') !== '' && waiting.read('.exitcode') !== '');
  expect([await running.end(), running.read('.exitcode')]).toEqual(['CANCELED', '130']);
  expect([await waiting.end(), waiting.read('.exitcode'), waiting.instances]).toEqual(['CANCELED', '130', 0]);
});

test.each([
  ['is stopped', () => cluster.ok(['worker', 'stop', '1'])],
  ['is killed', killWorker],
])('a script whose worker %s leaves nothing behind, and runs again', async (_how, end) => {
  const task = await submit(`[ -e ready ] && exit 0; ${WAITS}`);
  await task.started();
  await end();
  await worker.exit();
  await waitFor('the server to miss the worker', async () =>
    /^1 (WAITING)$/m.test(await cluster.ok(['--output-mode=quiet', 'job', 'list'])),
  );
  expect(task.read('.exitcode')).toBe('');
  await cluster.startWorker(['--cpus', '1']);
  expect([await task.end(), task.instances, task.read('.exitcode')]).toEqual(['FINISHED', 2, '0']);
});

test('what has come to its end when its worker is lost does not run again', async () => {
  const task = await submit('printf 7 >.exitcode; trap - EXIT INT TERM; touch ready; while :; do sleep 0.05; done');
  await task.started();
  await killWorker();
  await cluster.startWorker(['--cpus', '1']);
  expect([await task.end(), task.instances, task.read('.exitcode')]).toEqual(['FAILED', 1, '7']);
});

test('a task that is lost with its worker for the last time has an exit code', async () => {
  const task = await submit(WAITS, '--crash-limit never-restart');
  await task.started();
  await killWorker();
  expect(await task.end()).toBe('FAILED');
  await waitFor('the exit code', () => task.read('.exitcode') === '143');
  expect(task.read('.command.err')).toMatch(/^hq: .*worker/i);
});

test.skipIf(!existsSync(FRONT))('a submit in whose middle the server is killed is done once, by the next server', async () => {
  const directory = mkdtempSync(join(cluster.work, 'cut-'));
  const path = join(directory, '.command.run');
  execFileSync('mkfifo', [path]);
  const submitted = cluster.hq(['--output-mode=quiet', 'submit', '--directives=file', '.command.run'], { cwd: directory });
  // The server has begun the command and waits for the script, which its client can only begin to read.
  const pipe = await waitFor('the client to open the script', () => openIfRead(path));
  await server.kill('SIGKILL');
  await cluster.startServer();
  const script = '#!/bin/bash\n#HQ --name nf-cut\ntrue\n';
  writeFileSync(join(directory, 'file'), script);
  renameSync(join(directory, 'file'), path);
  writeSync(pipe, script);
  closeSync(pipe);
  expect(await submitted).toEqual({ code: 0, stdout: '1\n', stderr: '' });
  expect(await cluster.json(['job', 'list', '--all'])).toMatchObject([{ name: 'nf-cut' }]);
});

/** @returns the writing end of a pipe that somebody reads */
function openIfRead(path: string): number | undefined {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}
