/** Small requests and answers that concern the server itself. */
import * as z from 'zod';

/** POST /v1/server/stop */
export const stopRequest = z.strictObject({
  keepWorkers: z.boolean().default(false).describe('true: workers and allocations stay and wait for the next server'),
});
export type StopRequest = z.infer<typeof stopRequest>;

/** DELETE /v1/leases/{lease} */
export const leaseEnded = z.object({ ended: z.int().describe('event streams that held this lease and are ended now') });
export type LeaseEnded = z.infer<typeof leaseEnded>;

/** GET /v1/health */
export const health = z.object({ status: z.literal('ok') });
export type Health = z.infer<typeof health>;
