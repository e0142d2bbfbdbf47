/** Programs that a side starts and must not leave behind: in a process group of their own, so that Ctrl-C reaches them in order, with their output in a file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Environment } from './slurm.ts';

export interface ChildOptions {
  readonly cwd: string;
  readonly env: Environment;
  /** File that gets what it prints. */
  readonly log: string;
}

/** @returns at once; a program that cannot be started shows as one that has ended */
export function startChild(program: string, args: readonly string[], { cwd, env, log }: ChildOptions): ChildProcess {
  const file = openSync(log, 'w');
  try {
    const child = spawn(program, [...args], { cwd, env: env as NodeJS.ProcessEnv, stdio: ['ignore', file, file], detached: true });
    child.on('error', () => {});
    return child;
  } finally {
    closeSync(file);
  }
}

/** Resolves when it has ended, or after `limitMs` milliseconds. */
export async function endedWithin(child: ChildProcess, limitMs: number): Promise<void> {
  if (hasEnded(child)) return;
  await new Promise<void>((done) => {
    const timer = setTimeout(done, limitMs);
    child.once('exit', () => {
      clearTimeout(timer);
      done();
    });
  });
}

/** Asks it to end as Ctrl-C would, and kills it when it has not ended after `limitMs` milliseconds. */
export async function endChild(child: ChildProcess, limitMs: number): Promise<void> {
  if (hasEnded(child)) return;
  child.kill('SIGINT');
  await endedWithin(child, limitMs);
  if (!hasEnded(child)) child.kill('SIGKILL');
}

export function hasEnded({ exitCode, signalCode, pid }: ChildProcess): boolean {
  return pid === undefined || exitCode !== null || signalCode !== null;
}
