/** Reads and writes files that a user has named: job files, files of entries, host files; reports, profiles and whatever else a command leaves. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { HqError } from '../protocol/errors.ts';

/**
 * @param path as typed, relative to `cwd`
 * @returns its text; null when it is not UTF-8
 * @throws HqError HQ_E_FILE when it cannot be read
 */
export async function readTextFile(path: string, cwd: string): Promise<string | null> {
  let bytes: Buffer;
  try {
    bytes = await readFile(resolve(cwd, path));
  } catch (error) {
    throw new HqError('HQ_E_FILE', { path, detail: (error as Error).message }, { cause: error });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/**
 * @param path as typed, relative to `cwd`
 * @param o.mode of a new file; default: what the user's umask leaves of 0o666
 * @param o.flag `wx`: only a file that is not there yet, because one that is there might be somebody's own
 * @throws HqError HQ_E_FILE_WRITE
 */
export async function writeTextFile(path: string, text: string, o: { cwd: string; mode?: number; flag?: 'wx' }): Promise<void> {
  const { cwd, ...options } = o;
  try {
    await writeFile(resolve(cwd, path), text, options);
  } catch (error) {
    throw notWritten(path, error);
  }
}

/**
 * Makes a directory for files, with those above it; one that is there is as good.
 * @param path absolute
 * @throws HqError HQ_E_FILE_WRITE
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw notWritten(path, error);
  }
}

function notWritten(path: string, error: unknown): HqError {
  return new HqError('HQ_E_FILE_WRITE', { path, detail: (error as Error).message }, { cause: error });
}
