/**
 * Reads the access file of a server: where it listens and the token. Called by every connection, again whenever the server does not
 * answer where it did before.
 */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { namedServerDir, resolveServerDir, type ServerDirOptions } from '../common/serverDir.ts';
// Types only: zod is not loaded unless there is something to complain about.
import type { ClientAccess, Endpoint } from '../protocol/accessFile.ts';
import { badField } from '../protocol/badField.ts';
import { HqError } from '../protocol/errors.ts';
import { CLIENT_ACCESS_FILE } from '../protocol/serverFiles.ts';

export interface FoundAccess {
  /** What the user named. */
  readonly serverDir: string;
  /** The access file itself. */
  readonly file: string;
  readonly access: ClientAccess;
}

/** @throws HqError HQ_E_NO_SERVER (no such file), HQ_E_ACCESS_FILE (unreadable, others can write it, not what it should be) */
export async function readAccess(options: ServerDirOptions): Promise<FoundAccess> {
  const serverDir = namedServerDir(options);
  const file = join(resolveServerDir(serverDir), CLIENT_ACCESS_FILE);
  const complain = (detail: string, cause?: unknown) => new HqError('HQ_E_ACCESS_FILE', { path: file, detail }, { cause });
  let text: string;
  try {
    text = readPrivate(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new HqError('HQ_E_NO_SERVER', { path: serverDir }, { cause: error });
    throw complain(message, error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw complain('it is not JSON', error);
  }
  if (isClientAccess(value)) return { serverDir, file, access: value };
  const { clientAccess } = await import('../protocol/accessFile.ts');
  const result = clientAccess.safeParse(value);
  if (!result.success) throw complain(badField(result.error, 'it'));
  return { serverDir, file, access: result.data };
}

/** Reads through one descriptor, so that what is checked is what is read. */
function readPrivate(file: string): string {
  const descriptor = openSync(file, 'r');
  try {
    // Whoever can write it decides which server gets our commands.
    const { mode, uid } = fstatSync(descriptor);
    if ((mode & 0o022) !== 0) throw new Error('others can write it; make it private with chmod 600');
    if (![uid, 0].includes(process.getuid?.() ?? uid) && uid !== 0) throw new Error('it belongs to somebody else');
    return readFileSync(descriptor, 'utf8');
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The same check as the schema's, without loading zod: that would cost every command 20 to 80 ms. A property test holds the two together;
 * what this refuses is given to the schema, which then says why.
 */
export function isClientAccess(value: unknown): value is ClientAccess {
  if (!isRecord(value)) return false;
  const { version, protocol, serverUid, pid, hostname, startedAtMs, client, socket } = value;
  const texts = [version, protocol, serverUid, hostname].every((text) => typeof text === 'string') && serverUid !== '';
  const place = socket === null || (isRecord(socket) && typeof socket['path'] === 'string' && typeof socket['hostname'] === 'string');
  return texts && place && Number.isSafeInteger(pid) && Number.isFinite(startedAtMs) && isEndpoint(client);
}

function isEndpoint(value: unknown): value is Endpoint {
  if (!isRecord(value)) return false;
  const { hosts, port, token, certificate } = value;
  const reachable = Array.isArray(hosts) && hosts.length > 0 && hosts.every((host) => typeof host === 'string' && host !== '');
  const listening = Number.isSafeInteger(port) && (port as number) >= 1 && (port as number) <= 65_535;
  return reachable && listening && [token, certificate].every((text) => text === null || typeof text === 'string');
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
