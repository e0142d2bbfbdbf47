/** One cluster for all tests of a file: a server, a worker and a client, started before the first test and stopped after the last. */
import { afterAll, beforeAll } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import { clientOf } from './api.ts';
import { Cluster } from './cluster.ts';

/** Filled before the first test. */
export interface Running {
  cluster: Cluster;
  client: HqClient;
}

/** @param workerArgs of the one worker */
export function runningCluster(workerArgs: readonly string[]): Running {
  const running = {} as Running;
  beforeAll(async () => {
    running.cluster = new Cluster();
    await running.cluster.startServer();
    running.client = await clientOf(running.cluster);
    await running.cluster.startWorker(workerArgs);
  });
  afterAll(async () => {
    running.client.close();
    await running.cluster.stop();
  });
  return running;
}
