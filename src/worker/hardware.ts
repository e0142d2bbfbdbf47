/** What a worker would offer on this machine. Called by `worker hwdetect`, which needs no server. */
import { makeWorkerResources } from '../common/coupling.ts';
import type { WorkerResources } from '../protocol/schema/resources.ts';
import { completeResources, type DetectOptions } from './detect/hwdetect.ts';

export function detectHardware(options: DetectOptions): WorkerResources {
  return makeWorkerResources(completeResources([], options));
}
