/** Small requests and answers that concern the server itself. */
import * as z from 'zod';

/** POST /v1/server/stop */
export const stopRequest = z.strictObject({
  keepWorkers: z.boolean().default(false).describe('true: workers and allocations stay and wait for the next server'),
});
export type StopRequest = z.infer<typeof stopRequest>;

/** GET /v1/server/dump */
export const debugDump = z.object({ tako: z.record(z.string(), z.unknown()).describe('the scheduler; may change with every version') });
export type DebugDump = z.infer<typeof debugDump>;

/** POST /v1/journal/prune */
export const pruneRequest = z.strictObject({
  beforeMs: z.number().optional().describe('only what is older, Unix time in milliseconds; default: everything up to now'),
});
export type PruneRequest = z.infer<typeof pruneRequest>;

/** POST /v1/journal/backup */
export const backupRequest = z.strictObject({
  path: z.string().regex(/^\//, 'must be an absolute path').describe("a new file, on the server's host"),
});
export type BackupRequest = z.infer<typeof backupRequest>;

/** DELETE /v1/leases/{lease} */
export const leaseEnded = z.object({ ended: z.int().describe('event streams that held this lease and are ended now') });
export type LeaseEnded = z.infer<typeof leaseEnded>;

/** GET /v1/health */
export const health = z.object({ status: z.literal('ok') });
export type Health = z.infer<typeof health>;
