/**
 * The thread that runs short commands for clients on this host (`bin/front/hqfront.c`): started when the server serves, so that it costs its
 * start nothing, and apart from it, so that no table that somebody wants drawn delays a task. It is a client like any other. Owned by the
 * server process, which ends it before its listeners: a command that is cut off is begun again by its front, where that does no harm.
 */
import { existsSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { builtFile } from '../common/builtFile.ts';
import { FRONT_FILE, FRONT_FILE_HEAD } from '../protocol/frontFrames.ts';
import { VERSION } from '../protocol/version.ts';
import { prepareSocketFile } from './api/socketFile.ts';
import { writePrivate } from './identity/privateFile.ts';

/** The first clients of a server that has just started do not share the machine with the start of this thread, milliseconds. */
const START_DELAY_MS = 100;
/** Between the end of a thread that failed and the next one, milliseconds. */
const RESTART_DELAY_MS = 5_000;
/** A list that is larger than this ends the thread, not the server. */
const HEAP_MAX_MB = 2_048;

export interface CommandThreadOptions {
  /** Directory of the identity: the file that names the socket is put there. */
  readonly dir: string;
  /** Of the API, whose directory and name are taken. */
  readonly apiSocketPath: string;
  warn(line: string): void;
}

export class CommandThread {
  private readonly o: CommandThreadOptions;
  private readonly socketPath: string;
  private readonly file: string;
  private worker: Worker | null = null;
  private timer: NodeJS.Timeout | null = null;
  private closed = false;

  constructor(options: CommandThreadOptions) {
    this.o = options;
    // Not longer than the API's, which is known to fit.
    this.socketPath = options.apiSocketPath.replace(/\.sock$/, '.cmd');
    this.file = join(options.dir, FRONT_FILE);
  }

  /** Starts it a little later. Without a built thread (run from sources, in tests) clients do everything themselves. */
  start(): void {
    if (existsSync(builtFile('bin/commandThread.js'))) this.plan(START_DELAY_MS);
  }

  /** Cuts off what runs. */
  async close(): Promise<void> {
    this.closed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.withdraw();
    await this.worker?.terminate();
    rmSync(this.socketPath, { force: true });
  }

  private plan(delayMs: number): void {
    this.timer = setTimeout(() => this.launch(), delayMs).unref();
  }

  private launch(): void {
    try {
      prepareSocketFile(this.socketPath);
    } catch (error) {
      this.o.warn((error as Error).message);
      return;
    }
    const worker = new Worker(fileURLToPath(builtFile('bin/commandThread.js')), {
      ...{ name: 'hq-commands', execArgv: [], workerData: this.socketPath },
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MAX_MB, maxYoungGenerationSizeMb: 4 },
    });
    this.worker = worker;
    // A server is not kept alive by it.
    worker.unref();
    worker.once('message', () => this.announce());
    let detail = 'it has ended';
    worker.once('error', (error) => {
      detail = error.message;
    });
    worker.once('exit', () => this.ended(detail));
  }

  private announce(): void {
    if (this.closed) return;
    try {
      writePrivate(this.file, `${[FRONT_FILE_HEAD, VERSION, hostname(), this.socketPath].join('\n')}\n`, { durable: false });
    } catch (error) {
      this.o.warn(`short commands are not run by the server: ${(error as Error).message}`);
    }
  }

  private ended(detail: string): void {
    if (this.closed) return;
    this.o.warn(`the thread for commands has failed (${detail}) and is started again`);
    this.worker = null;
    this.withdraw();
    this.plan(RESTART_DELAY_MS);
  }

  private withdraw(): void {
    rmSync(this.file, { force: true });
  }
}
