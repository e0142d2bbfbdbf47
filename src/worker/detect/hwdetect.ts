/**
 * Everything that a worker detects of its machine. Called at the start of a worker, which adds what the user has described, and by
 * `worker hwdetect`, which shows it.
 */
import type { ParsedDescriptor } from '../../common/resourceDescriptor.ts';
import { DETECTABLE, type Detectable } from '../../protocol/resourceTerms.ts';
import type { ResourceDescriptor } from '../../protocol/schema/resources.ts';
import { batchEnvironment, type ManagerChoice } from './batchEnvironment.ts';
import { detectCpus } from './cpus.ts';
import { detectGpus } from './gpus.ts';
import { HostFiles } from './hostFiles.ts';
import { detectMemory } from './memory.ts';

export interface DetectOptions {
  /** Names to look for; default: all. */
  readonly only?: readonly Detectable[];
  /** False: one CPU per core. Default: true. */
  readonly hyperThreading?: boolean;
  /** Batch system whose limits count; default: `detect`. */
  readonly manager?: ManagerChoice;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Told in one line about what was left out. */
  readonly warn?: (line: string) => void;
  /** Root of /proc and /sys; default `/`. */
  readonly root?: string;
}

/** @returns what was found, sorted by name */
export function detectResources(options: DetectOptions): ResourceDescriptor[] {
  const files = new HostFiles(options.root);
  const job = batchEnvironment(options.manager ?? 'detect', options.env);
  const wanted = (name: Detectable): boolean => options.only?.includes(name) ?? true;
  const found: ResourceDescriptor[] = [];
  if (wanted('cpus')) found.push(detectCpus(files, { hyperThreading: options.hyperThreading ?? true, granted: job?.cpus }));
  const memory = wanted('mem') ? detectMemory(files, job?.memMib) : undefined;
  if (memory !== undefined) found.push(memory);
  found.push(...detectGpus(files, options.env, options.warn ?? (() => {})).filter((one) => wanted(one.name as Detectable)));
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * What the user described plus what was detected; a name that the user gave is never overwritten, and GPUs given as `gpus` stand for all of them.
 * @returns descriptors in no particular order
 */
export function completeResources(given: readonly ParsedDescriptor[], options: DetectOptions): ParsedDescriptor[] {
  const names = new Set(given.map((one) => one.descriptor.name));
  const free = (name: string): boolean => !names.has(name) && !(names.has('gpus') && name.startsWith('gpus/'));
  const only = (options.only ?? DETECTABLE).filter(free);
  return [...given, ...detectResources({ ...options, only }).map((descriptor) => ({ descriptor, related: false }))];
}
