/**
 * Whether this process may divide its own control group (version 2) into groups with memory limits. Called by `hq doctor` and by whatever
 * guards the memory of tasks. Reads only.
 */
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { HostFiles } from './hostFiles.ts';

const MOUNT = '/sys/fs/cgroup';

/** `path`: the own group, absolute. */
export type Delegation = { readonly path: string } | { readonly why: string };

/** @returns the own group when groups can be made in it that have the memory controller, else why not, as a part of a sentence */
export function memoryDelegation(files: HostFiles): Delegation {
  const line = (files.read('/proc/self/cgroup') ?? '').split('\n').find((one) => one.startsWith('0::'));
  if (line === undefined) return { why: 'there are no control groups of version 2' };
  const path = join(MOUNT, line.slice('0::'.length));
  const controllers = files.read(join(path, 'cgroup.controllers'));
  if (controllers === undefined) return { why: `the own control group ${path} cannot be seen` };
  if (!controllers.split(/\s+/).includes('memory')) return { why: `the own control group ${path} has no memory controller` };
  try {
    for (const name of ['.', 'cgroup.procs', 'cgroup.subtree_control']) accessSync(files.at(join(path, name)), constants.W_OK);
    return { path };
  } catch {
    return { why: `the own control group ${path} belongs to somebody else` };
  }
}
