/** What a worker would offer on this machine. Called by `worker hwdetect`, which needs no server. */
import { makeWorkerResources } from '../common/coupling.ts';
import type { WorkerResources } from '../protocol/schema/resources.ts';
import { completeResources } from './detect/hwdetect.ts';

/** @param warn told in one line about what was left out */
export function detectHardware(env: Readonly<Record<string, string | undefined>>, warn: (line: string) => void): WorkerResources {
  return makeWorkerResources(completeResources([], { env, warn }));
}
