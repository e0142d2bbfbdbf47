/**
 * The shell text that starts a worker on each node of an allocation, and what it takes to write scripts of batch jobs: quoting, durations. Pure; used by
 * every batch system. The form of the line is HyperQueue's, so that scripts stay comparable.
 */
import type { BatchHost, SubmitRequest, WorkerCommand, WorkerOption } from './batchSystem.ts';

/** Written without quotes by HyperQueue, when their value needs none. */
const BARE_OPTIONS: ReadonlySet<string> = new Set(['--group', '--detect-resources', '--min-utilization']);

/** Means itself in every shell, unquoted. */
const PLAIN = /^[A-Za-z0-9_@%+:,./=-]+$/;

/** @returns the text as one word of a shell that interprets nothing of it */
export function doubleQuoted(text: string): string {
  return `"${text.replace(/[\\"$`]/g, '\\$&')}"`;
}

/** @param manager value of the worker's `--manager`; @returns one command of a shell, without start and stop commands */
export function workerLine(worker: WorkerCommand, manager: string): string {
  const options: WorkerOption[] = [
    ['--idle-timeout', humanTime(worker.idleTimeoutMs)],
    ['--manager', manager],
    ['--server-dir', worker.serverDir],
    ...worker.options,
    ['--on-server-lost', worker.onServerLost],
    ['--time-limit', humanTime(worker.timeLimitMs)],
  ];
  const hq = PLAIN.test(worker.hqPath) ? worker.hqPath : doubleQuoted(worker.hqPath);
  const words = [hq, 'worker', 'start', ...options.map(optionText)];
  if (worker.wrapCommand !== undefined) words.unshift(worker.wrapCommand);
  return words.join(' ');
}

/** What runs on each node: start command, worker, stop command. A list of a shell unless `isPlain`. */
export function nodeCommand(worker: WorkerCommand, manager: string): string {
  const start = worker.startCommand === undefined ? '' : `${worker.startCommand} && `;
  const stop = worker.stopCommand === undefined ? '' : `; ${worker.stopCommand}`;
  return `${start}${workerLine(worker, manager)}${stop}`;
}

/** @returns whether the node's command is one program with its arguments, which can be started without a shell */
export function isPlain(worker: WorkerCommand): boolean {
  return worker.startCommand === undefined && worker.stopCommand === undefined;
}

function optionText([flag, value]: WorkerOption): string {
  if (value === undefined) return flag;
  return `${flag} ${BARE_OPTIONS.has(flag) && PLAIN.test(value) ? value : doubleQuoted(value)}`;
}

/** As HyperQueue prints durations into scripts: `1day 2h 30m`. Parts of a millisecond are dropped. */
export function humanTime(ms: number): string {
  let rest = Math.floor(ms);
  const parts: string[] = [];
  for (const [unit, size, plural] of [
    ['year', 31_557_600_000, 's'],
    ['month', 2_630_016_000, 's'],
    ['day', 86_400_000, 's'],
    ['h', 3_600_000, ''],
    ['m', 60_000, ''],
    ['s', 1_000, ''],
    ['ms', 1, ''],
  ] as const) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${unit}${count > 1 ? plural : ''}`);
  }
  return parts.length === 0 ? '0s' : parts.join(' ');
}

/**
 * The user's arguments for a line of directives. They reach the batch system word for word; a line break would begin another line of the script.
 * @param quoted how a word with blanks or quotes is written there
 * @returns undefined when there are none
 * @throws the host's `refused`
 */
export function directiveText(args: readonly string[], host: BatchHost, quoted: (text: string) => string): string | undefined {
  if (args.length === 0) return undefined;
  return args.map((arg) => directiveWord(arg, host, quoted)).join(' ');
}

/** One word of a directive; see `directiveText`. */
export function directiveWord(word: string, host: BatchHost, quoted: (text: string) => string): string {
  if (/[\r\n\0]/.test(word)) throw host.error('refused', `an argument must not contain a line break: ${JSON.stringify(word)}`);
  return word === '' || /[\s"'#\\]/.test(word) ? quoted(word) : word;
}

/** What no request may contain, because it would end its line. @throws the host's `refused` */
export function checkRequest({ name, directory, nodes, timeLimitMs, worker }: SubmitRequest, host: BatchHost): void {
  const texts = [name, directory, worker.hqPath, worker.serverDir, ...worker.options.flat().map((part) => part ?? '')];
  for (const text of texts) {
    if (/[\r\n\0]/.test(text)) throw host.error('refused', `a name or path must not contain a line break: ${JSON.stringify(text)}`);
  }
  if (!Number.isSafeInteger(nodes) || nodes < 1) throw host.error('refused', `an allocation of ${nodes} nodes is not possible`);
  if (!(timeLimitMs > 0)) throw host.error('refused', `a time limit of ${timeLimitMs} ms is not possible`);
}
