/** What a server says about itself. */
import * as z from 'zod';

export const serverInfo = z.object({
  serverUid: z.string(),
  serverDir: z.string(),
  version: z.string(),
  protocol: z.string(),
  pid: z.int(),
  hostname: z.string(),
  startedAtMs: z.number(),
  nowMs: z.number().optional().describe('clock of the server when it answered; left out by servers that do not tell'),
  journalPath: z.string(),
  clientHost: z.string(),
  clientPort: z.int(),
  workerHost: z.string(),
  workerPort: z.int(),
  socketPath: z.string().nullable(),
  idleTimeoutMs: z.number().nullable().describe('default idle timeout of workers'),
  exitWhenIdleMs: z.number().nullable().describe('an embedded server ends after this time without leases and tasks'),
  leases: z.int().describe('bridges that hold the server alive'),
  jobs: z.int(),
  workers: z.int(),
  allocationQueues: z.int().optional().describe('allocation queues that start workers when they are needed; left out: none'),
  resourceNames: z.array(z.string()).describe('every resource name that a connected worker provides'),
});
export type ServerInfo = z.infer<typeof serverInfo>;
