/** Reads a file that a user has named. Used for job files and for files of entries. */
import { readFile } from 'node:fs/promises';
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
