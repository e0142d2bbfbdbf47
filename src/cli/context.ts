/** What a command gets: the outside (`io`), the global options, a client made when it is needed, and the renderer of the chosen mode. */
import { once } from 'node:events';
import type { HqClient } from '../client/client.ts';
import { namedServerDir } from '../common/serverDir.ts';
import type { ErrorCode, HqError } from '../protocol/errors.ts';
import type { CommandEntry, CommandGroup } from './commandEntry.ts';
import { type Compat, compatOf } from './compat.ts';
import type { CliIo } from './io.ts';
import type { Output } from './output/output.ts';

export const OUTPUT_MODES = ['cli', 'json', 'quiet'] as const;
export type OutputMode = (typeof OUTPUT_MODES)[number];

/** Values of the options that every command takes. */
export interface GlobalOptions {
  readonly serverDir?: string;
  readonly outputMode?: OutputMode;
  readonly colors?: 'auto' | 'always' | 'never';
  readonly debug?: boolean;
  readonly profile?: string;
}

const UNKNOWN_ID: ReadonlySet<ErrorCode> = new Set(['HQ_E_JOB_NOT_FOUND', 'HQ_E_WORKER_NOT_FOUND']);

export function wantsColors({ colors = 'auto' }: Pick<GlobalOptions, 'colors'>, io: CliIo): boolean {
  return colors === 'always' || (colors === 'auto' && io.stdout.isTTY === true && (io.env['NO_COLOR'] ?? '') === '');
}

export class Context {
  readonly io: CliIo;
  readonly globals: GlobalOptions;
  readonly compat: Compat;
  readonly mode: OutputMode;
  readonly output: Output;
  /** The whole command table, for commands about commands. */
  readonly commands: readonly (CommandEntry | CommandGroup)[];
  /** Options that come from configuration files, by attribute. */
  readonly configured: Readonly<Record<string, unknown>>;
  private connected: Promise<HqClient> | undefined;
  private failures = 0;
  private rawOutput = false;

  constructor(o: Pick<Context, 'io' | 'globals' | 'mode' | 'output' | 'commands' | 'configured'>) {
    this.io = o.io;
    this.globals = o.globals;
    this.mode = o.mode;
    this.output = o.output;
    this.commands = o.commands;
    this.configured = o.configured;
    this.compat = compatOf(o.io.env);
  }

  /** Absolute path of the server directory that was named. */
  get serverDir(): string {
    return namedServerDir({ serverDir: this.globals.serverDir, env: this.io.env, cwd: this.io.cwd });
  }

  /** @throws HqError HQ_E_NO_SERVER, HQ_E_ACCESS_FILE */
  client(): Promise<HqClient> {
    this.connected ??= import('../client/client.ts').then(({ connectClient }) =>
      connectClient({ serverDir: this.globals.serverDir, env: this.io.env, io: this.io }),
    );
    return this.connected;
  }

  /** Is standard output shown with colours? */
  get colors(): boolean {
    return wantsColors(this.globals, this.io);
  }

  async close(): Promise<void> {
    (await this.connected?.catch(() => undefined))?.close();
  }

  /** A line for the person, never for a script. */
  note(line: string): void {
    this.io.stderr.write(`${line}\n`);
  }

  warn(line: string): void {
    this.note(`WARN ${line}`);
  }

  /** Output that is the same in every mode: host names, task output. The renderer then adds nothing. Resolves when more may be written. */
  async raw(data: Uint8Array | string): Promise<void> {
    this.rawOutput = true;
    const { stdout } = this.io;
    if (!stdout.write(data)) await once(stdout, 'drain', { signal: this.io.signal });
  }

  get hasRawOutput(): boolean {
    return this.rawOutput;
  }

  /** One of several things asked for could not be done: a line, and exit code 1 at the end (0 for unknown ids where the original has it so, unless it `always` counts). */
  fail(error: HqError, always = false): void {
    this.note(`ERROR ${error.message}${error.hint === '' ? '' : `. ${error.hint}`}`);
    if (always || !this.compat.unknownIdsExitZero || !UNKNOWN_ID.has(error.code)) this.failures += 1;
  }

  get exitCode(): number {
    return this.failures > 0 ? 1 : 0;
  }
}
