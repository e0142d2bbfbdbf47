/**
 * A server's identity: uid, tokens and certificate in one numbered subdirectory of the server directory, made once and used by every start
 * until a new one is asked for. Opened by a starting server before anything else; nothing of it changes before the journal's lock is held.
 */
import { lstatSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { currentIdentity, foreignDirectory, identityName, identityNumber } from '../../common/serverDir.ts';
import { HqError } from '../../protocol/errors.ts';
import { CURRENT_LINK, IDENTITY_FILE, SPOOL_DIR } from '../../protocol/serverFiles.ts';
import { certificateProblem } from './certificate.ts';
import { lastJournal, parsePrivate, readLastStart, usualJournal } from './lastStart.ts';
import { directoryError, ensureDirectory, readPrivate, syncDirectory, writePrivate } from './privateFile.ts';
import { makeSecrets, type Secrets, secrets } from './secrets.ts';

const CERTIFICATE_FILE = 'cert.pem';
const KEY_FILE = 'key.pem';

const stored = z.object({
  version: z.literal(1, 'was written by another version of hq-bridge'),
  ...secrets.shape,
  createdAtMs: z.number(),
});
type Stored = z.infer<typeof stored>;

export interface Identity {
  /** What the user named: the parent of the numbered directories, or one of them. Absolute. */
  readonly serverDir: string;
  /** The identity's own directory. */
  readonly dir: string;
  readonly uid: string;
  readonly clientToken: string;
  readonly workerToken: string;
  /** PEM */
  readonly certificate: string;
  /** PEM of its private key. */
  readonly key: string;
  /** Asked for, else as at the last start, else in `dir`. */
  readonly journalPath: string;
  /** Journal of the last start; null before the first one. When it is another one, its lock says whether that server still runs. */
  readonly lastJournalPath: string | null;
  /** Exists, 0700. */
  readonly spoolDir: string;
  /** Of the last start, to be tried first, so that workers and clients find the server again; null: none. */
  readonly lastPorts: { readonly client: number | null; readonly worker: number | null };
}

export interface OpenIdentityOptions {
  /** Absolute path of the server directory, or of one identity in it; made when missing. */
  readonly serverDir: string;
  /** Make the next identity instead of using the one there is. */
  readonly fresh?: boolean;
  /** `--journal`, absolute. */
  readonly journalPath?: string;
  /** Made beforehand: the identity that has them is used, else one is made with them. */
  readonly secrets?: Secrets;
}

/**
 * Finds the identity to start with: the one that `hq-current` names, else the highest number, else a new one.
 * @throws HqError HQ_E_SERVER_DIR when a directory or file is not our own, a symbolic link, damaged or not writable
 */
export async function openIdentity(options: OpenIdentityOptions): Promise<Identity> {
  const serverDir = resolve(options.serverDir);
  ensureDirectory(serverDir, { tighten: false });
  const dir = findOrMake(serverDir, { fresh: options.fresh === true, given: options.secrets });
  ensureDirectory(dir, { tighten: true });
  const spoolDir = join(dir, SPOOL_DIR);
  ensureDirectory(spoolDir, { tighten: true });
  const { uid, clientToken, workerToken } = parsePrivate(join(dir, IDENTITY_FILE), need(dir, IDENTITY_FILE), stored);
  const [certificate, key] = [need(dir, CERTIFICATE_FILE), need(dir, KEY_FILE)];
  const problem = certificateProblem({ certificate, key }, Date.now());
  if (problem !== null)
    throw new HqError('HQ_E_SERVER_DIR', { path: dir, detail: `${problem}; make a new identity with: hq server start --new` });
  const last = readLastStart(dir);
  const lastJournalPath = lastJournal(dir);
  const journalPath = options.journalPath === undefined ? (lastJournalPath ?? usualJournal(dir)) : resolve(options.journalPath);
  return {
    ...{ serverDir, dir, uid, clientToken, workerToken, certificate, key, journalPath, lastJournalPath, spoolDir },
    lastPorts: { client: last?.clientPort ?? null, worker: last?.workerPort ?? null },
  };
}

/** The journal belongs to another uid (it came from a lost server directory): the identity takes that uid. @throws HqError HQ_E_SERVER_DIR */
export function adoptUid(identity: Identity, uid: string): Identity {
  if (identity.uid === uid) return identity;
  const path = join(identity.dir, IDENTITY_FILE);
  const before = parsePrivate(path, need(identity.dir, IDENTITY_FILE), stored);
  try {
    writePrivate(path, identityText({ ...before, uid }));
  } catch (error) {
    throw directoryError(identity.dir, error);
  }
  return { ...identity, uid };
}

function findOrMake(serverDir: string, { fresh, given }: { fresh: boolean; given: Secrets | undefined }): string {
  if (readPrivate(join(serverDir, IDENTITY_FILE)) !== undefined) {
    if (given !== undefined && !hasSecrets(serverDir, given))
      throw new HqError('HQ_E_SERVER_DIR', { path: serverDir, detail: 'it is one identity, and not that of the access file' });
    if (!fresh) return serverDir;
    throw new HqError('HQ_E_SERVER_DIR', { path: serverDir, detail: `it is one identity; a new one is made in ${dirname(serverDir)}` });
  }
  try {
    checkLink(serverDir);
    for (;;) {
      const numbers = listOwn(serverDir);
      const own = numbers.filter((number) => hasIdentity(serverDir, number));
      const usable = given === undefined ? own : own.filter((number) => hasSecrets(join(serverDir, identityName(number)), given));
      const current = currentIdentity(serverDir);
      const chosen = current !== null && usable.includes(current) ? current : usable.at(-1);
      if (!fresh && chosen !== undefined) return join(serverDir, identityName(chosen));
      const made = makeIdentity(serverDir, (numbers.at(-1) ?? 0) + 1, given ?? makeSecrets(Date.now()));
      if (made !== null) return made;
    }
  } catch (error) {
    throw directoryError(serverDir, error);
  }
}

/** Numbers of all subdirectories in rising order, also those of HyperQueue itself, which have no identity file. */
function listOwn(serverDir: string): number[] {
  const names = readdirSync(serverDir).filter((name) => identityNumber(name) !== null);
  for (const name of names) {
    const problem = foreignDirectory(join(serverDir, name));
    if (problem !== null) throw new HqError('HQ_E_SERVER_DIR', { path: join(serverDir, name), detail: problem });
  }
  return names.map((name) => identityNumber(name) as number).sort((a, b) => a - b);
}

function hasIdentity(serverDir: string, number: number): boolean {
  return lstatSync(join(serverDir, identityName(number), IDENTITY_FILE), { throwIfNoEntry: false }) !== undefined;
}

/** Not by the uid, which a journal from elsewhere changes. */
function hasSecrets(dir: string, given: Secrets): boolean {
  const { clientToken, workerToken } = parsePrivate(join(dir, IDENTITY_FILE), need(dir, IDENTITY_FILE), stored);
  return clientToken === given.clientToken && workerToken === given.workerToken;
}

/** Only a symbolic link may stand where the start puts one. */
function checkLink(serverDir: string): void {
  const path = join(serverDir, CURRENT_LINK);
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.isSymbolicLink()) return;
  throw new HqError('HQ_E_SERVER_DIR', { path: serverDir, detail: `${path} is in the way; only a symbolic link may have this name` });
}

/**
 * Made aside and renamed, so that an identity is complete or absent, whoever else makes one at the same time.
 * @returns its directory, or null when somebody else has taken the number
 */
function makeIdentity(serverDir: string, number: number, made: Secrets): string | null {
  const draft = mkdtempSync(join(serverDir, '.new-'));
  const dir = join(serverDir, identityName(number));
  try {
    const { certificate, key, uid, clientToken, workerToken } = made;
    writePrivate(join(draft, CERTIFICATE_FILE), certificate);
    writePrivate(join(draft, KEY_FILE), key);
    writePrivate(join(draft, IDENTITY_FILE), identityText({ version: 1, uid, clientToken, workerToken, createdAtMs: Date.now() }));
    renameSync(draft, dir);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
  syncDirectory(serverDir);
  return dir;
}

function need(dir: string, name: string): string {
  const text = readPrivate(join(dir, name));
  if (text !== undefined) return text;
  const detail = `it is incomplete (${name} is missing); make a new identity with: hq server start --new`;
  throw new HqError('HQ_E_SERVER_DIR', { path: join(dirname(dir), basename(dir)), detail });
}

function identityText(identity: Stored): string {
  return `${JSON.stringify(identity, null, 2)}\n`;
}
