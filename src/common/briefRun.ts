/**
 * Runs a foreign program for its words, with a time-out that also ends what the program has started: commands of batch systems are often
 * scripts, and hang when their server does. Used by `hq doctor` and by the batch systems of autoallocation.
 */
import { spawn } from 'node:child_process';

/** For those who want the first lines only, characters. */
const FIRST_WORDS = 16_384;

export type BriefResult =
  | { readonly kind: 'exit'; readonly code: number; readonly stdout: string; readonly stderr: string }
  /** It is not on PATH. */
  | { readonly kind: 'missing' }
  | { readonly kind: 'timeout' }
  /** It could not be started, or a signal has ended it (`ended`). */
  | { readonly kind: 'failed'; readonly why: string; readonly ended: boolean };

export interface BriefOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number;
  /** Default: that of this process. */
  readonly cwd?: string;
  /** Characters of each channel that are kept; default: the first 16 Ki. */
  readonly outputMax?: number;
}

/** Never throws. */
export function briefRun(program: string, args: readonly string[], o: BriefOptions): Promise<BriefResult> {
  const { env, timeoutMs, cwd, outputMax = FIRST_WORDS } = o;
  return new Promise((resolve) => {
    // A group of its own, so that a script's children end with it.
    const child = spawn(program, args, {
      env: env as NodeJS.ProcessEnv,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      ...(cwd === undefined ? {} : { cwd }),
    });
    const output = { stdout: '', stderr: '' };
    for (const channel of ['stdout', 'stderr'] as const)
      child[channel].setEncoding('utf8').on('data', (text: string) => {
        if (output[channel].length < outputMax) output[channel] += text;
      });
    const end = (result: BriefResult): void => {
      clearTimeout(timer);
      killGroup(child.pid);
      // A process that has left the group may hold them for ever.
      child.stdout.destroy();
      child.stderr.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => end({ kind: 'timeout' }), timeoutMs);
    child.once('error', (error: NodeJS.ErrnoException) =>
      end(error.code === 'ENOENT' ? { kind: 'missing' } : { kind: 'failed', why: error.message, ended: false }),
    );
    child.once('close', (code, signal) =>
      end(
        signal === null ? { kind: 'exit', code: code ?? -1, ...output } : { kind: 'failed', why: `it was ended by ${signal}`, ended: true },
      ),
    );
  });
}

/** @returns the first line that is not empty, of stdout or else of stderr */
export function firstLine({ stdout, stderr }: { readonly stdout: string; readonly stderr: string }): string {
  const lines = `${stdout}\n${stderr}`.split('\n').map((line) => line.trim());
  return lines.find((line) => line !== '') ?? '';
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing of it is left.
  }
}
