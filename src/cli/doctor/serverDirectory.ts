/** Check of the server directory: whose it is, who else may use it, and in which existing directory its file system can be probed. */
import { accessSync, constants, lstatSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { foreignDirectory, resolveServerDir } from '../../common/serverDir.ts';
import { type Finding, ok, problem, reasonOf, warning } from './finding.ts';

const OTHERS = 0o077;
const OTHERS_WRITE = 0o022;
const CHECK = 'server-directory';
const ELSEWHERE = 'Set --server-dir or HQ_SERVER_DIR to a directory of your own';

export interface DirectoryCheck {
  readonly finding: Finding;
  /** The directory itself or, before the first start, the nearest one above it that exists; null when there is none. */
  readonly place: string | null;
  /** Files can be made in `place`, as far as permissions say. */
  readonly isWritable: boolean;
}

/** @param path absolute, as the user named it; nothing needs to exist */
export function checkServerDirectory(path: string): DirectoryCheck {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    return found === undefined ? missing(path) : existing(path, found);
  } catch (error) {
    return { finding: problem(CHECK, `${path} cannot be looked at: ${reasonOf(error)}`, ELSEWHERE), place: null, isWritable: false };
  }
}

function existing(path: string, { mode }: Stats): DirectoryCheck {
  const foreign = foreignDirectory(path);
  if (foreign !== null) return { finding: problem(CHECK, `${path}: ${foreign}`, ELSEWHERE), place: null, isWritable: false };
  if (!mayMakeFiles(path)) {
    const finding = problem(CHECK, `${path} cannot be read and written`, `Run: chmod 700 ${path}; or choose another with --server-dir`);
    return { finding, place: path, isWritable: false };
  }
  return { finding: privacy(path, mode), place: path, isWritable: true };
}

/** Tokens and journal lie in the identity's directory, which a start takes from others; who can write beside it could put another in its place. */
function privacy(path: string, mode: number): Finding {
  const identity = resolveServerDir(path);
  const advice = (directory: string): string => `Run: chmod 700 ${directory}`;
  if ((mode & OTHERS_WRITE) !== 0) return problem(CHECK, `others can write ${path} (mode ${octal(mode)})`, advice(path));
  const identityMode = lstatSync(identity).mode;
  if ((identityMode & OTHERS) !== 0)
    return warning(CHECK, `others can enter ${identity} (mode ${octal(identityMode)}), which holds tokens`, advice(identity));
  return ok(CHECK, `${identity}, yours alone`);
}

function missing(path: string): DirectoryCheck {
  let place = dirname(path);
  while (lstatSync(place, { throwIfNoEntry: false }) === undefined && dirname(place) !== place) place = dirname(place);
  const isWritable = mayMakeFiles(place);
  const finding = isWritable
    ? ok(CHECK, `${path} does not exist yet; the first server start makes it`)
    : problem(CHECK, `${path} does not exist and cannot be made: ${place} is not writable`, ELSEWHERE);
  return { finding, place, isWritable };
}

function mayMakeFiles(directory: string): boolean {
  try {
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const octal = (mode: number): string => (mode & 0o777).toString(8).padStart(4, '0');
