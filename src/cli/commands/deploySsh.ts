/** `hq worker deploy-ssh`: one worker on each host of a file, over ssh; ends when all of them have ended. */
import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Command, CommanderError } from 'commander';
import { singleQuoted } from '../../common/shellText.ts';
import { HqError } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';
import { readTextFile } from '../textFile.ts';
import { reword } from '../usage.ts';
import { workerStartOptions } from '../workerOptions.ts';
import { overridesOf, type StartOptions } from './workerStart.ts';

interface Host {
  readonly name: string;
  readonly port: number | null;
}

/** Lines of a host that are told when its worker has failed. */
const LAST_LINES = 5;

/** @returns 1 when a worker ended otherwise than in order; undefined after an interruption, which has its own code */
export async function runDeploySsh(
  context: Context,
  [file, rest]: [string, string[]],
  options: { showOutput?: boolean },
): Promise<number | undefined> {
  const args = rest[0] === '--' ? rest.slice(1) : rest;
  checkWorkerArgs(context, args);
  const hosts = parseHosts(file, await readTextFile(file, context.io.cwd));
  const command = remoteCommand(context, args);
  const failed = await Promise.all(hosts.map((host) => deploy(context, host, { command, showOutput: options.showOutput === true })));
  if (context.io.signal.aborted) return undefined;
  return failed.includes(true) ? 1 : 0;
}

/** Everything that `hq worker start` would refuse is refused here, once and not on each host. @throws HqError HQ_E_USAGE, HQ_E_RESOURCE_DESCRIPTOR */
function checkWorkerArgs(context: Context, args: readonly string[]): void {
  const command = new Command('worker start')
    .exitOverride()
    .helpOption(false)
    .configureOutput({ outputError: () => {} });
  for (const option of workerStartOptions()) command.addOption(option);
  command.option('--server-dir <DIR>');
  try {
    command.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const [sentence = ''] = error.message.replace(/^error: /, '').split('\n');
    throw new HqError('HQ_E_USAGE', { detail: `arguments of \`hq worker start\`: ${reword(sentence, command)}` }, { cause: error });
  }
  overridesOf(context, command.opts<StartOptions>());
}

/** @throws HqError HQ_E_HOST_FILE */
function parseHosts(file: string, text: string | null): Host[] {
  const refuse = (line: number | null, detail: string): HqError =>
    new HqError('HQ_E_HOST_FILE', { where: line === null ? file : `${file}:${line}`, detail });
  if (text === null) throw refuse(null, 'it is not UTF-8 text');
  const hosts = text.split('\n').flatMap((line, index): Host[] => {
    const typed = line.replace(/#.*/, '').trim();
    if (typed === '') return [];
    const match = /^(\[[0-9A-Fa-f:.%]+\]|[^\s:[\]]+)(?::(\d+))?$/.exec(typed);
    const port = match?.[2] === undefined ? null : Number(match[2]);
    // What begins with a hyphen would be an option of ssh.
    if (match === null || typed.startsWith('-') || (port !== null && (port < 1 || port > 65_535)))
      throw refuse(index + 1, `'${typed}' is not HOST or HOST:PORT`);
    return [{ name: (match[1] as string).replace(/^\[|\]$/g, ''), port }];
  });
  if (hosts.length === 0) throw refuse(null, 'it names no host');
  return hosts;
}

/** The same program on the same server directory: both are expected under the same paths there. */
function remoteCommand({ serverDir }: Context, args: readonly string[]): string {
  const hasDir = args.some((arg) => arg === '--server-dir' || arg.startsWith('--server-dir='));
  const words = [
    ...[process.execPath, resolve(process.argv[1] ?? 'hq'), 'worker', 'start'],
    ...(hasDir ? [] : ['--server-dir', serverDir]),
    ...args,
  ];
  return words.map(singleQuoted).join(' ');
}

/** @returns true when it failed */
async function deploy(context: Context, host: Host, o: { command: string; showOutput: boolean }): Promise<boolean> {
  const { io } = context;
  const name = host.port === null ? host.name : `${host.name}:${host.port}`;
  // Twice -t: a terminal in any case, so that the worker ends with the connection.
  const args = [host.name, '-t', '-t', ...(host.port === null ? [] : ['-p', String(host.port)]), '--', o.command];
  const last: string[] = [];
  const child = spawn('ssh', args, { env: io.env, cwd: io.cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const end = (): void => void child.kill('SIGTERM');
  io.signal.addEventListener('abort', end, { once: true });
  if (io.signal.aborted) end();
  context.note(`INFO Starting a worker on ${name}`);
  const show = (line: string): void => {
    last.push(line.trimEnd());
    if (last.length > LAST_LINES) last.shift();
    if (o.showOutput) context.note(`[${name}] ${line.trimEnd()}`);
  };
  try {
    const [status] = await Promise.all([ended(child), eachLine(child.stdout, show), eachLine(child.stderr, show)]);
    if (status === 0) context.note(`INFO The worker on ${name} has ended`);
    else
      context.note(`ERROR The worker on ${name} has failed (${status})${o.showOutput ? '' : last.map((line) => `\n  ${line}`).join('')}`);
    return status !== 0;
  } finally {
    io.signal.removeEventListener('abort', end);
  }
}

async function eachLine(stream: NodeJS.ReadableStream | null, show: (line: string) => void): Promise<void> {
  if (stream === null) return;
  for await (const line of createInterface({ input: stream })) show(line);
}

/** @returns exit code, name of the signal, or why there is no ssh */
function ended(child: ChildProcess): Promise<number | string> {
  return new Promise((done) => {
    child.once('exit', (code, signal) => done(code === null ? String(signal) : code === 0 ? 0 : `exit code ${code}`));
    child.once('error', (error: NodeJS.ErrnoException) => done(error.code === 'ENOENT' ? 'ssh is not installed' : error.message));
  });
}
