/** Runs the command line in-process, against the real API on a Unix socket with plain data behind it. No process is started. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { runCli } from '../../src/cli/program.ts';
import type { ClientAccess } from '../../src/protocol/accessFile.ts';
import { createApi } from '../../src/server/api/app.ts';
import { type Listening, listenApi } from '../../src/server/api/listen.ts';
import { CliFacade } from './cliFacade.ts';
import { checkJson } from './jsonContract.ts';

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliRunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Readable;
  readonly cwd?: string;
  /** Ends the command as Ctrl-C does when it is aborted. */
  readonly signal?: AbortSignal;
  /** Told of everything that is written to stdout so far. */
  readonly onStdout?: (text: string) => void;
  /** The same for stderr. */
  readonly onStderr?: (text: string) => void;
  readonly stderrIsTty?: boolean;
}

const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export class CliWorld {
  /** Working directory of the commands, empty at first. */
  readonly work: string;
  readonly serverDir: string;
  facade = new CliFacade();
  private readonly root: string;
  private listening: Listening | undefined;

  constructor() {
    this.root = realpathSync(mkdtempSync(join(tmpdir(), 'hq-cli-')));
    this.work = join(this.root, 'work');
    this.serverDir = join(this.root, 'server');
    mkdirSync(this.work);
    mkdirSync(this.serverDir, { mode: 0o700 });
  }

  /** Listens and writes the access file. */
  async start(): Promise<void> {
    const socketPath = join(this.root, 'socket');
    const app = createApi(this.facade, { logger });
    this.listening = await listenApi({ app, logger, target: { socketPath } });
    const access: ClientAccess = {
      version: '0.1.0',
      protocol: '1.0',
      serverUid: this.facade.info.serverUid,
      pid: process.pid,
      hostname: hostname(),
      startedAtMs: 1,
      client: { hosts: ['127.0.0.1'], port: 1, token: null, certificate: null },
      socket: { path: socketPath, hostname: hostname() },
    };
    writeFileSync(join(this.serverDir, 'access.json'), JSON.stringify(access), { mode: 0o600 });
  }

  async hq(args: readonly string[], o: CliRunOptions = {}): Promise<CliResult> {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const written = { stdout: '', stderr: '' };
    stdout.on('data', (chunk: Buffer) => {
      written.stdout += chunk.toString();
      o.onStdout?.(written.stdout);
    });
    stderr.on('data', (chunk: Buffer) => {
      written.stderr += chunk.toString();
      o.onStderr?.(written.stderr);
    });
    const code = await runCli(args, {
      cwd: o.cwd ?? this.work,
      env: { HQ_SERVER_DIR: this.serverDir, HOME: this.root, ...o.env },
      stdin: o.stdin instanceof Readable ? o.stdin : Readable.from(o.stdin === undefined ? [] : [Buffer.from(o.stdin)]),
      stdout,
      stderr: Object.assign(stderr, { isTTY: o.stderrIsTty === true }),
      signal: o.signal ?? new AbortController().signal,
    });
    checkJson({ args, env: o.env ?? {}, code, stdout: written.stdout });
    return { code, ...written };
  }

  /** Makes a file in the working directory of the commands. */
  write(name: string, text: string | Uint8Array): void {
    writeFileSync(join(this.work, name), text);
  }

  /** A command that must succeed; its stdout. */
  async ok(args: readonly string[], o: CliRunOptions = {}): Promise<string> {
    const result = await this.hq(args, o);
    if (result.code !== 0) throw new Error(`hq ${args.join(' ')} exited with ${result.code}: ${result.stderr}`);
    return result.stdout;
  }

  async quiet(...args: string[]): Promise<string> {
    return this.ok(['--output-mode', 'quiet', ...args]);
  }

  async json(...args: string[]): Promise<unknown> {
    return JSON.parse(await this.ok(['--output-mode', 'json', ...args]));
  }

  /** Number of connections that commands have left open. */
  get connections(): number {
    return this.listening?.connections ?? 0;
  }

  /** The server is gone, its access file stays. */
  async closeServer(): Promise<void> {
    await this.listening?.close({ graceMs: 0 });
    this.listening = undefined;
  }

  async stop(): Promise<void> {
    await this.closeServer();
    rmSync(this.root, { recursive: true, force: true });
  }
}
