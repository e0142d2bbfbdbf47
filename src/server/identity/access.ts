/**
 * Writes the access files by which clients and workers find a server, when it listens, and removes them at its end. Called by the server
 * while it holds the journal's lock.
 */
import { rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import type { ClientAccess, Endpoint, WorkerAccess } from '../../protocol/accessFile.ts';
import { CLIENT_ACCESS_FILE, CURRENT_LINK, WORKER_ACCESS_FILE } from '../../protocol/serverFiles.ts';
import { PROTOCOL_TEXT, VERSION } from '../../protocol/version.ts';
import type { Identity } from './identity.ts';
import { usualJournal, writeLastStart } from './lastStart.ts';
import { directoryError, syncDirectory, writeLink, writePrivate } from './privateFile.ts';

export interface AccessOptions {
  /** Addresses in the order in which peers try them; see `serverAddresses`. */
  readonly hosts: readonly string[];
  /** The same for workers; left out: as for clients. */
  readonly workerHosts?: readonly string[];
  readonly clientPort: number;
  readonly workerPort: number;
  /** Of the Unix socket; null: there is none. */
  readonly socketPath: string | null;
  /** False: neither token nor TLS on this channel. */
  readonly clientAuth?: boolean;
  readonly workerAuth?: boolean;
  /** Unix milliseconds. */
  readonly startedAtMs: number;
}

export interface AccessFiles {
  readonly client: string;
  readonly worker: string;
}

/**
 * Writes both access files, remembers the ports for the next start and makes `hq-current` name this identity.
 * @returns paths of the files
 * @throws HqError HQ_E_SERVER_DIR
 */
export function writeAccess(identity: Identity, options: AccessOptions): AccessFiles {
  const { dir } = identity;
  const common = {
    ...{ version: VERSION, protocol: PROTOCOL_TEXT, serverUid: identity.uid, pid: process.pid },
    ...{ hostname: hostname(), startedAtMs: options.startedAtMs },
  };
  const { hosts, workerHosts = hosts } = options;
  const endpoint = (o: { hosts: readonly string[]; port: number; token: string; auth: boolean | undefined }): Endpoint => {
    const proof = o.auth === false ? { token: null, certificate: null } : { token: o.token, certificate: identity.certificate };
    return { hosts: [...o.hosts], port: o.port, ...proof };
  };
  const client: ClientAccess = {
    ...common,
    client: endpoint({ hosts, port: options.clientPort, token: identity.clientToken, auth: options.clientAuth }),
    socket: options.socketPath === null ? null : { path: options.socketPath, hostname: common.hostname },
  };
  const worker: WorkerAccess = {
    ...common,
    worker: endpoint({ hosts: workerHosts, port: options.workerPort, token: identity.workerToken, auth: options.workerAuth }),
  };
  const files = accessFiles(identity);
  try {
    rememberPorts(identity, options);
    // After a crash of the machine nobody listens there, so they need not outlive it.
    writePrivate(files.worker, json(worker), { durable: false });
    pointTo(identity);
    // Last, because it is what everybody waits for.
    writePrivate(files.client, json(client), { durable: false });
  } catch (error) {
    throw directoryError(dir, error);
  }
  return files;
}

/** At an orderly end: clients are told that no server runs. `hq-current` stays, because the next start uses the same identity. */
export function clearAccess(identity: Identity): void {
  const { client, worker } = accessFiles(identity);
  try {
    for (const file of [client, worker]) rmSync(file, { force: true });
    syncDirectory(identity.dir);
  } catch (error) {
    throw directoryError(identity.dir, error);
  }
}

export function accessFiles(identity: Pick<Identity, 'dir'>): AccessFiles {
  return { client: join(identity.dir, CLIENT_ACCESS_FILE), worker: join(identity.dir, WORKER_ACCESS_FILE) };
}

function rememberPorts(identity: Identity, { clientPort, workerPort, startedAtMs }: AccessOptions): void {
  const journalPath = identity.journalPath === usualJournal(identity.dir) ? null : identity.journalPath;
  writeLastStart(identity.dir, { journalPath, clientPort, workerPort, pid: process.pid, hostname: hostname(), startedAtMs });
}

/** A link is only put where the user named the parent; who names one identity means it alone. */
function pointTo({ serverDir, dir }: Identity): void {
  if (serverDir !== dir) writeLink(join(serverDir, CURRENT_LINK), basename(dir));
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
