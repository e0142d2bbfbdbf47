/** Reads and writes files that a user has named: job files, files of entries, host files; reports, profiles and whatever else a command leaves. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, chmod, lstat, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
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
 * Writes a file as a whole: whoever reads it meanwhile, and a full disk, leave the old one or the new one.
 * @param path as typed, relative to `cwd`
 * @param o.mode of a new file; default: what the user's umask leaves of 0o666
 * @param o.flag `wx`: only a file that is not there yet, because one that is there might be somebody's own
 * @throws HqError HQ_E_FILE_WRITE
 */
export async function writeTextFile(path: string, text: string, o: { cwd: string; mode?: number; flag?: 'wx' }): Promise<void> {
  const { cwd, ...options } = o;
  const target = resolve(cwd, path);
  try {
    if (o.flag === undefined && (await isReplaceable(target))) await replaceFile(target, text, options);
    else await writeFile(target, text, options);
  } catch (error) {
    throw notWritten(path, error);
  }
}

/** A link or a pipe is written to; a file may be written where the directory may not. */
async function isReplaceable(target: string): Promise<boolean> {
  const found = await lstat(target).catch(() => undefined);
  const isPlain = found === undefined || (found.isFile() && found.nlink === 1);
  return (
    isPlain &&
    access(dirname(target), constants.W_OK).then(
      () => true,
      () => false,
    )
  );
}

async function replaceFile(target: string, text: string, { mode }: { readonly mode?: number }): Promise<void> {
  const draft = `${target}.${randomBytes(4).toString('hex')}.tmp`;
  const before = await stat(target).catch(() => undefined);
  try {
    await writeFile(draft, text, { flag: 'wx', ...(mode === undefined ? {} : { mode }) });
    if (before !== undefined) await chmod(draft, before.mode);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
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
