/**
 * Where a server's directory is: what the user named, and the identity inside it (access files, tokens, journal) that is in use. Used by
 * clients, workers and the server, so that all agree. Reads the file system, changes nothing.
 */
import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { CLIENT_ACCESS_FILE, CURRENT_LINK, IDENTITY_FILE, WORKER_ACCESS_FILE } from '../protocol/serverFiles.ts';

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

/** Width of the zero-padded names `001`, `002`. */
const NAME_DIGITS = 3;

/** @returns the name of the subdirectory of the n-th identity, `n >= 1` */
export function identityName(n: number): string {
  return String(n).padStart(NAME_DIGITS, '0');
}

/** @returns the number of a subdirectory's name, or null when it is not the name of an identity */
export function identityNumber(name: string): number | null {
  const number = /^\d{3,9}$/.test(name) ? Number(name) : 0;
  return number >= 1 && identityName(number) === name ? number : null;
}

/**
 * @param serverDir a server directory
 * @returns the numbers of its identities in rising order; empty when it does not exist or cannot be read
 */
export function listIdentities(serverDir: string): number[] {
  let names: string[];
  try {
    names = readdirSync(serverDir);
  } catch {
    return [];
  }
  const numbers = names.flatMap((name) => identityNumber(name) ?? []);
  return numbers.filter((number) => isDirectory(join(serverDir, identityName(number)))).sort((a, b) => a - b);
}

/**
 * Number of the identity that `hq-current` names. The link leads to a numbered subdirectory beside it; anything else is not followed,
 * because a link that leads elsewhere was not made by a server.
 * @returns null when there is no such link or subdirectory
 */
export function currentIdentity(serverDir: string): number | null {
  let target: string;
  try {
    target = readlinkSync(join(serverDir, CURRENT_LINK));
  } catch {
    return null;
  }
  const number = identityNumber(basename(target));
  const isBeside = resolve(serverDir, dirname(target)) === resolve(serverDir);
  return number !== null && isBeside && isDirectory(join(serverDir, identityName(number))) ? number : null;
}

/**
 * Finds the identity of a server directory: the one that `hq-current` names, else the directory itself when it holds an identity or an
 * access file (a numbered directory was given, or somebody copied an access file here), else the highest number.
 * @param named absolute path of a server directory or of one of its numbered subdirectories
 * @returns the directory that holds the access files; `named` itself when there is none. Nothing needs to exist
 */
export function resolveServerDir(named: string): string {
  const number = currentIdentity(named) ?? (holdsIdentity(named) ? null : (listIdentities(named).at(-1) ?? null));
  return number === null ? named : join(named, identityName(number));
}

/** Does the directory itself hold an identity or an access file? */
export function holdsIdentity(path: string): boolean {
  return [IDENTITY_FILE, CLIENT_ACCESS_FILE, WORKER_ACCESS_FILE].some((name) => stat(join(path, name))?.isFile() === true);
}

/**
 * Tells why a directory may not be trusted with tokens or believed about them.
 * @param path must exist
 * @returns a sentence without subject for `the server directory … cannot be used: …`, or null when it is a directory of our own
 */
export function foreignDirectory(path: string): string | null {
  const found = stat(path);
  if (found === undefined) return 'it does not exist';
  if (found.isSymbolicLink())
    return `it is a symbolic link; give the directory it leads to (${resolve(dirname(path), readlinkSync(path))})`;
  if (!found.isDirectory()) return 'it is not a directory';
  return found.uid === process.geteuid?.() ? null : 'it belongs to somebody else';
}

function isDirectory(path: string): boolean {
  return stat(path)?.isDirectory() === true;
}

/** Of the path itself, never of what a link leads to. */
function stat(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
