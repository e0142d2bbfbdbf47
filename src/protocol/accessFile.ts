/**
 * Access files: how a client or a worker finds its server. One identity (uid, tokens, certificate) lives in one numbered directory;
 * `access.json` is for clients, `worker-access.json` for workers. Schema only; reading and writing is done by client and server.
 */
import * as z from 'zod';

const endpoint = z.object({
  /** Addresses to try in this order. */
  hosts: z.array(z.string().min(1)).min(1),
  port: z.int().min(1).max(65_535),
  /** Null: authentication and encryption are switched off on this channel. */
  token: z.string().nullable(),
  /** PEM of the server's one certificate; a peer verifies TLS against exactly this one, host names are not checked. Null: no TLS. */
  certificate: z.string().nullable(),
});
export type Endpoint = z.infer<typeof endpoint>;

const common = {
  version: z.string(),
  protocol: z.string(),
  serverUid: z.string().min(1),
  pid: z.int(),
  hostname: z.string(),
  startedAtMs: z.number(),
};

/** `access.json` */
export const clientAccess = z.object({
  ...common,
  client: endpoint,
  /** Unix socket on the server's host (the file system is the login); only used there. */
  socket: z.object({ path: z.string(), hostname: z.string() }).nullable(),
});
export type ClientAccess = z.infer<typeof clientAccess>;

/** `worker-access.json` */
export const workerAccess = z.object({ ...common, worker: endpoint });
export type WorkerAccess = z.infer<typeof workerAccess>;

export { CLIENT_ACCESS_FILE, CURRENT_LINK, SPOOL_DIR, WORKER_ACCESS_FILE } from './serverFiles.ts';
