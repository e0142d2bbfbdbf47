/**
 * What the last start on an identity left for the next one: where the journal is, which ports were used, and which process it was (for the
 * message that a server runs already). Written under the journal's lock.
 */
import { join } from 'node:path';
import * as z from 'zod';
import { badField } from '../../protocol/badField.ts';
import { HqError } from '../../protocol/errors.ts';
import { directoryError, readPrivate, writePrivate } from './privateFile.ts';

const LAST_START_FILE = 'last-start.json';
const JOURNAL_FILE = 'journal.db';

const port = z.int().min(1).max(65_535).nullable();

const schema = z.object({
  /** Absolute; null: in the identity's directory, wherever that is moved. */
  journalPath: z.string().startsWith('/').nullable(),
  clientPort: port,
  workerPort: port,
  pid: z.int(),
  hostname: z.string(),
  startedAtMs: z.number(),
});
export type LastStart = z.infer<typeof schema>;

/**
 * @param dir directory of the identity
 * @returns null before the first start
 * @throws HqError HQ_E_SERVER_DIR when the file is damaged
 */
export function readLastStart(dir: string): LastStart | null {
  const path = join(dir, LAST_START_FILE);
  const text = readPrivate(path);
  if (text === undefined) return null;
  return parsePrivate(path, text, schema);
}

/** Where the journal of an identity is unless another place was asked for. */
export function usualJournal(dir: string): string {
  return join(dir, JOURNAL_FILE);
}

/** @returns absolute path of the journal of the last start; null before the first one @throws HqError HQ_E_SERVER_DIR */
export function lastJournal(dir: string): string | null {
  const last = readLastStart(dir);
  return last === null ? null : (last.journalPath ?? usualJournal(dir));
}

/** @throws HqError HQ_E_SERVER_DIR */
export function writeLastStart(dir: string, lastStart: LastStart): void {
  try {
    writePrivate(join(dir, LAST_START_FILE), `${JSON.stringify(lastStart, null, 2)}\n`);
  } catch (error) {
    throw directoryError(dir, error);
  }
}

/** @throws HqError HQ_E_SERVER_DIR that names the file and the first field that is wrong */
export function parsePrivate<T>(path: string, text: string, expected: z.ZodType<T>): T {
  const refuse = (detail: string) => new HqError('HQ_E_SERVER_DIR', { path, detail });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse('it is not JSON');
  }
  const result = expected.safeParse(value);
  if (!result.success) throw refuse(badField(result.error, 'it'));
  return result.data;
}
