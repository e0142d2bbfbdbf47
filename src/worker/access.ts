/** Finds and reads the worker's access file. The session reads it again before every attempt, because a restarted server has other ports. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { resolveServerDir } from '../common/serverDir.ts';
import { type WorkerAccess, workerAccess } from '../protocol/accessFile.ts';
import { badField } from '../protocol/badField.ts';
import { HqError } from '../protocol/errors.ts';
import { CLIENT_ACCESS_FILE, WORKER_ACCESS_FILE } from '../protocol/serverFiles.ts';

/**
 * @param serverDir absolute path of a server directory, of one of its numbered subdirectories, or of an access file itself
 * @returns the access file of one identity; which one is current is asked once, so that a worker never changes its server
 */
export function findWorkerAccess(serverDir: string): string {
  const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  if (isFile(serverDir)) return serverDir;
  const dir = resolveServerDir(serverDir);
  const [own, other] = [join(dir, WORKER_ACCESS_FILE), join(dir, CLIENT_ACCESS_FILE)];
  // The part for workers may have been copied under HyperQueue's name.
  return !isFile(own) && isFile(other) ? other : own;
}

/**
 * @throws HqError HQ_E_NO_SERVER when there is no such file, HQ_E_ACCESS_FILE when it cannot be used
 */
export function readWorkerAccess(path: string): WorkerAccess {
  const complain = (detail: string, cause?: unknown): HqError => new HqError('HQ_E_ACCESS_FILE', { path, detail }, { cause });
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new HqError('HQ_E_NO_SERVER', { path }, { cause: error });
    throw complain(message, error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw complain('it is not JSON', error);
  }
  const result = workerAccess.safeParse(value);
  if (!result.success) throw complain(badField(result.error, 'it'));
  return result.data;
}
