/**
 * Where a server's directory is: what the user named, and the identity inside it that is in use. Used by clients, workers and the server.
 */
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { CURRENT_LINK } from '../protocol/serverFiles.ts';

export interface ServerDirOptions {
  /** `--server-dir` */
  readonly serverDir?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute; relative paths resolve against it. */
  readonly cwd: string;
}

/** @returns the absolute path of what the user named: the flag, else HQ_SERVER_DIR, else `~/.hq-server` */
export function namedServerDir({ serverDir, env, cwd }: ServerDirOptions): string {
  const named = [serverDir, env['HQ_SERVER_DIR']].find((path) => path !== undefined && path !== '');
  return named === undefined ? join(env['HOME'] || homedir(), '.hq-server') : resolve(cwd, named);
}

/**
 * @param named absolute path of a parent directory or of one identity
 * @returns the identity's directory: where `hq-current` points to, else `named` itself; nothing needs to exist
 */
export function resolveServerDir(named: string): string {
  const current = join(named, CURRENT_LINK);
  return statSync(current, { throwIfNoEntry: false })?.isDirectory() === true ? current : named;
}
