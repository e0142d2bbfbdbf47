/** What a worker that only a test pretends to be says about itself: one CPU, silent for ten minutes before it counts as lost. */
import type { WorkerConfiguration } from '../../src/protocol/schema/worker.ts';

export function handMadeConfiguration(): WorkerConfiguration {
  return {
    resources: { resources: [{ name: 'cpus', kind: 'range', start: 0, end: 0 }], coupling: { weights: [] } },
    hostname: 'made-by-hand',
    group: 'default',
    pid: 1,
    workDir: '/nowhere',
    heartbeatMs: 600_000,
    idleTimeoutMs: null,
    timeLimitMs: null,
    startedAtMs: Date.now(),
    onServerLost: 'stop',
    minUtilization: 0,
    allocation: null,
    listenAddress: '',
    version: '0.0.0',
  };
}
