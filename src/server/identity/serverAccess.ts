/**
 * The full access record of a server that is yet to start: uid, tokens, certificate with its key, addresses and ports, made by
 * `hq server generate-access` and used by `hq server start --access-file`, so that clients and workers can be given their parts beforehand.
 */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import * as z from 'zod';
import type { ClientAccess, WorkerAccess } from '../../protocol/accessFile.ts';
import { badField } from '../../protocol/badField.ts';
import { HqError } from '../../protocol/errors.ts';
import { PROTOCOL_TEXT, VERSION } from '../../protocol/version.ts';
import { makeSecrets, secrets } from './secrets.ts';

const place = z.strictObject({ host: z.string().min(1), port: z.int().min(1).max(65_535) });

const schema = z.strictObject({
  version: z.string(),
  ...secrets.shape,
  certificate: z.string().min(1),
  key: z.string().min(1),
  client: place,
  worker: place,
});

/** Whoever has it can be the server. */
export type ServerAccess = z.infer<typeof schema>;

/** Where clients and workers will find the server. */
export type Places = Pick<ServerAccess, 'client' | 'worker'>;

/** @returns a record with a new uid, new tokens and a new certificate */
export function makeServerAccess(places: Places): ServerAccess {
  return { version: VERSION, ...makeSecrets(Date.now()), ...places };
}

/** @returns what a client's directory needs as `access.json` */
export function clientPart(access: ServerAccess): ClientAccess {
  const { client, clientToken, certificate } = access;
  return { ...common(access), client: { hosts: [client.host], port: client.port, token: clientToken, certificate }, socket: null };
}

/** @returns what a worker's directory needs as `worker-access.json` */
export function workerPart(access: ServerAccess): WorkerAccess {
  const { worker, workerToken, certificate } = access;
  return { ...common(access), worker: { hosts: [worker.host], port: worker.port, token: workerToken, certificate } };
}

/** The server that will use it has no process yet. */
function common({ uid }: ServerAccess): Omit<WorkerAccess, 'worker'> {
  return { version: VERSION, protocol: PROTOCOL_TEXT, serverUid: uid, pid: 0, hostname: hostname(), startedAtMs: 0 };
}

/** @throws HqError HQ_E_ACCESS_FILE */
export function readServerAccess(path: string): ServerAccess {
  const refuse = (detail: string, cause?: unknown): HqError => new HqError('HQ_E_ACCESS_FILE', { path, detail }, { cause });
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw refuse(error instanceof SyntaxError ? 'it is not JSON' : (error as Error).message, error);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const isPart = typeof value === 'object' && value !== null && !('key' in value) && ('client' in value || 'worker' in value);
  throw refuse(isPart ? 'it is the part for clients or workers; a server needs the full record' : badField(result.error, 'it'));
}
