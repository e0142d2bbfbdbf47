/**
 * One running hqspawn, or a warm runner, which speaks the same: starts it, waits for its greeting, writes what one turn of the event loop has
 * asked for in one go, and tells when it has ended. Owned by the native launcher.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { type AnswerHandlers, AnswerParser, LAUNCHER_PROTOCOL, RequestBatch } from './launcherFrames.ts';
import { offerToOomKiller } from './oomScore.ts';

/** A program that starts at all greets within milliseconds; a shared file system may be slow to deliver it, milliseconds. */
const HELLO_TIMEOUT_MS = 10_000;

/** Once its input has ended it interrupts what is left, kills it a second later, and waits for that two seconds at most, milliseconds. */
const END_TIMEOUT_MS = 5_000;

export interface LauncherProcessOptions {
  /** The program. */
  readonly path: string;
  readonly args: readonly string[];
  /** How long it may take to its greeting, milliseconds; default: as long as a small program may need. */
  readonly helloTimeoutMs?: number | undefined;
  /** It starts in `cwd` and speaks over descriptors 3 and 4, because others may read and print before: into files in `directory`, which it has open. */
  readonly apart?: { readonly cwd: string; readonly directory: string } | undefined;
  /** Environment of hqspawn itself, not of tasks. */
  readonly env: Readonly<Record<string, string>>;
  readonly handlers: Omit<AnswerHandlers, 'hello'>;
  /** Called once, when it has ended or could not be started; the text says why. */
  onEnd(why: string): void;
}

export class LauncherProcess {
  /** Rejected when it ends before it has greeted. */
  readonly ready: Promise<void>;
  readonly requests: RequestBatch = new RequestBatch();
  private readonly child: ChildProcess;
  /** Null when the system had no pipe left. */
  private readonly stdin: Writable | null;
  private holder: number | undefined;
  private flushing = false;
  private ended = false;
  private greeted: () => void = () => {};
  private refused: (error: Error) => void = () => {};
  private readonly onceEnded: Promise<void>;

  constructor(o: LauncherProcessOptions) {
    this.child = o.apart === undefined ? startDirectly(o) : startApart(o, o.apart);
    const [requests, answers] = o.apart === undefined ? [0, 1] : [3, 4];
    this.stdin = this.child.stdio[requests as 0] ?? null;
    // Every task inherits it.
    if (this.child.pid !== undefined) offerToOomKiller(this.child.pid);
    this.ready = new Promise((resolve, reject) => {
      this.greeted = resolve;
      this.refused = reject;
    });
    // Who is interested waits for `ready`; the end is told in any case.
    this.ready.catch(() => {});
    const timer = setTimeout(() => this.kill('it does not answer'), o.helloTimeoutMs ?? HELLO_TIMEOUT_MS);
    this.onceEnded = new Promise((resolve) => {
      const end = (why: string): void => {
        if (this.ended) return;
        this.ended = true;
        clearTimeout(timer);
        this.refused(new Error(why));
        o.onEnd(why);
        resolve();
      };
      this.child.once('error', (error) => end(error.message));
      // `close`: every answer has been read.
      this.child.once('close', (code, signal) => end(signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`));
    });
    // Its end is told by `close`.
    this.stdin?.on('error', () => {});
    const parser = new AnswerParser({
      ...bound(o.handlers),
      hello: (version, holder) => {
        clearTimeout(timer);
        this.holder = holder;
        if (version === LAUNCHER_PROTOCOL) this.greeted();
        else this.kill(`it speaks version ${version}, not ${LAUNCHER_PROTOCOL}`);
      },
    });
    const output = this.child.stdio[answers as 1] as Readable | null | undefined;
    output?.on('data', (chunk: Buffer) => parser.push(chunk));
  }

  /** Undefined when it could not be started. */
  get pid(): number | undefined {
    return this.child.pid;
  }

  /** The process that holds captured output. */
  get holderPid(): number | undefined {
    return this.holder ?? this.child.pid;
  }

  /** To be called after each addition to `requests`; writes them when the current callback is through. */
  flushSoon(): void {
    if (this.flushing) return;
    this.flushing = true;
    queueMicrotask(() => {
      this.flushing = false;
      for (const piece of this.requests.take()) if (this.stdin?.writable) this.stdin.write(piece);
    });
  }

  /** Ends its input, and with it what it has started; resolves when it is gone. */
  async end(): Promise<void> {
    this.stdin?.end();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), END_TIMEOUT_MS);
    await this.onceEnded;
    clearTimeout(timer);
  }

  private kill(why: string): void {
    this.refused(new Error(why));
    this.child.kill('SIGKILL');
  }
}

/** A session of its own: a key on the worker's terminal must not reach it. `/`, so that it holds no file system busy. */
function startDirectly({ path, args, env }: LauncherProcessOptions): ChildProcess {
  return spawn(path, [...args], { cwd: '/', env: { ...env }, stdio: ['pipe', 'pipe', 'inherit'], detached: true });
}

function startApart({ path, args, env }: LauncherProcessOptions, { cwd, directory }: { cwd: string; directory: string }): ChildProcess {
  const [out, err] = [openUnnamed(directory), openUnnamed(directory)];
  try {
    return spawn(path, [...args], { cwd, env: { ...env }, stdio: ['ignore', out, err, 'pipe', 'pipe'], detached: true });
  } finally {
    closeSync(out);
    closeSync(err);
  }
}

/** @throws Error when the disk is full, for instance */
function openUnnamed(directory: string): number {
  const path = join(directory, `said-${randomUUID()}`);
  const file = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return file;
}

function bound(handlers: Omit<AnswerHandlers, 'hello'>): Omit<AnswerHandlers, 'hello'> {
  return {
    started: (id, o) => handlers.started(id, o),
    failed: (id, o) => handlers.failed(id, o),
    returned: (id) => handlers.returned(id),
    noted: (text, outdated) => handlers.noted(text, outdated),
    learned: (modules) => handlers.learned(modules),
    ended: (id, end, output) => handlers.ended(id, end, output),
  };
}
