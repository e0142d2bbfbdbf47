/**
 * Where this process may make control groups with memory limits: in its own group of version 2 or, where the memory controller is with version 1,
 * in that one. Called by `hq doctor` and at the start of a worker. Reads only.
 */
import { accessSync, constants } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ownGroup } from './cgroup.ts';
import type { HostFiles } from './hostFiles.ts';

/** In version 2, the group into which a worker moves itself and what was beside it. */
export const LEAF = 'hq-processes';

/** `path`: the group in which groups may be made, absolute. `why`: a part of a sentence. */
export type Delegation = { readonly version: 1 | 2; readonly path: string } | { readonly why: string };

const NEEDED = { 1: ['.', 'cgroup.procs'], 2: ['.', 'cgroup.procs', 'cgroup.subtree_control'] } as const;

/** @returns the group when groups can be made in it that have the memory controller, else why not */
export function memoryDelegation(files: HostFiles): Delegation {
  const [version1] = ownGroup(files, { controller: 'memory', mount: '/sys/fs/cgroup/memory' });
  if (version1 !== undefined) return delegationOf1(files, version1);
  const [version2] = ownGroup(files, { controller: '', mount: '/sys/fs/cgroup' });
  if (version2 === undefined) return { why: 'there are no control groups' };
  const controllers = files.read(join(version2, 'cgroup.controllers'));
  if (controllers === undefined) return { why: `the own control group ${version2} cannot be seen` };
  if (!controllers.split(/\s+/).includes('memory')) return { why: `the own control group ${version2} has no memory controller` };
  // Where a worker has been before, the processes are one level down.
  return writable(files, 2, basename(version2) === LEAF ? dirname(version2) : version2);
}

function delegationOf1(files: HostFiles, path: string): Delegation {
  const counted = files.read(join(path, 'memory.use_hierarchy'));
  if (counted === undefined) return { why: `the own control group ${path} cannot be seen` };
  // What is made in such a group would escape the limits of those around it.
  if (counted === '0') return { why: `the own control group ${path} does not count what is in groups below it (memory.use_hierarchy)` };
  return writable(files, 1, path);
}

function writable(files: HostFiles, version: 1 | 2, path: string): Delegation {
  try {
    for (const name of NEEDED[version]) accessSync(files.at(join(path, name)), constants.W_OK);
    return { version, path };
  } catch {
    return { why: `the own control group ${path} belongs to somebody else` };
  }
}
