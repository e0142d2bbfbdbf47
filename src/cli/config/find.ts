/**
 * Which configuration files there are: the user's and the project's. Asked before every command, so it only looks and imports little; what they say is read
 * by settings.ts, where there are any.
 */
import { type Stats, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { CliIo } from '../io.ts';

/** In a directory of a project, or above the one in which a command is typed. */
export const PROJECT_FILE = '.hq-bridge.yaml';

export interface ConfigFile {
  readonly path: string;
  readonly of: 'user' | 'project';
  /** Changes with the file. */
  readonly stamp: string;
  /** Why it does not count, e.g. because another user could have written it; empty: it counts. */
  readonly refused: string;
}

/** Commands of others could be named in it. */
const OTHERS_MAY_WRITE = 0o022;

/**
 * @param io.env HQ_CONFIG=off: none; XDG_CONFIG_HOME, else HOME, says where the user's is
 * @returns the user's first, then the project's
 */
export function configFiles({ env, cwd }: Pick<CliIo, 'env' | 'cwd'>): ConfigFile[] {
  if (env['HQ_CONFIG'] === 'off') return [];
  const home = env['HOME'] || homedir();
  const user = fileAt(userConfigPath(env), 'user');
  const project = projectFile(cwd, home);
  return [user, project].filter((file) => file !== null);
}

/** @returns where the user's configuration is looked for */
export function userConfigPath(env: CliIo['env']): string {
  return join(env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config'), 'hq-bridge/config.yaml');
}

/** The nearest one, going up until the home directory or the root, neither of which is a project. */
function projectFile(cwd: string, home: string): ConfigFile | null {
  for (let folder = cwd; folder !== home && folder !== dirname(folder); folder = dirname(folder)) {
    const found = fileAt(join(folder, PROJECT_FILE), 'project');
    if (found !== null) return found;
  }
  return null;
}

function fileAt(path: string, of: ConfigFile['of']): ConfigFile | null {
  const found = stat(path);
  if (found === undefined || !found.isFile()) return null;
  const { uid, mode, mtimeMs, size, ino } = found;
  const own = process.geteuid?.();
  const refused =
    own !== undefined && uid !== own && uid !== 0
      ? 'it belongs to somebody else'
      : (mode & OTHERS_MAY_WRITE) !== 0
        ? `others may write it; chmod go-w ${path}`
        : '';
  return { path, of, stamp: `${ino}:${mtimeMs}:${size}`, refused };
}

function stat(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // A directory on the way that may not be entered.
    return undefined;
  }
}
