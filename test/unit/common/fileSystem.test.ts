/** Mounts and how far their locks reach, out of texts as kernels write them and of this machine's own file systems. */
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { fileSystemOf, isOnNetwork, lockReach, mountOf } from '../../../src/common/fileSystem.ts';

const MOUNTS = [
  '22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard',
  '30 22 0:40 / /home rw,relatime shared:2 - nfs4 nas:/home rw,vers=4.2,local_lock=none,addr=10.0.0.1',
  '31 30 0:41 / /home/me/sp\\040ace rw - fuse.sshfs me@there: rw,user_id=0',
  '32 22 0:42 / /scratch rw - lustre mds@tcp:/scratch rw,flock,lazystatfs',
  '33 32 0:43 / /scratch rw,noexec - tmpfs hidden rw',
].join('\n');

test('the longest mount point holds a path, and the last mount on it counts', () => {
  const typeAt = (path: string) => mountOf(MOUNTS, path)?.type;
  expect(typeAt('/etc')).toBe('ext4');
  expect(typeAt('/home')).toBe('nfs4');
  expect(typeAt('/homes/me')).toBe('ext4');
  expect(typeAt('/home/me/sp ace/x')).toBe('fuse.sshfs');
  expect(typeAt('/scratch/x')).toBe('tmpfs');
  expect(mountOf(MOUNTS, '/scratch/x')?.options.has('noexec')).toBe(true);
  expect(mountOf(MOUNTS, '/home/me')?.options.has('local_lock=none')).toBe(true);
  expect(mountOf('', '/')).toBeUndefined();
});

test.each([
  ['ext4', '', false, 'this-host'],
  ['nfs4', 'local_lock=none', true, 'hosts'],
  ['nfs', 'nolock', true, 'this-host'],
  ['nfs', 'local_lock=all', true, 'this-host'],
  ['nfs4', 'local_lock=flock', true, 'hosts'],
  ['lustre', 'flock', true, 'hosts'],
  ['lustre', 'localflock', true, 'this-host'],
  ['lustre', '', true, 'none'],
  ['cifs', 'nobrl', true, 'this-host'],
  ['gpfs', '', true, 'hosts'],
  ['fuse.sshfs', '', true, 'unknown'],
  ['beegfs', '', true, 'unknown'],
] as const)('locks of %s with %j reach (network: %s) %s', (type, options, isNetwork, reach) => {
  expect(lockReach({ type, options: new Set(options.split(',')), isNetwork })).toBe(reach);
});

test('this machine: a local disk is none of a network', () => {
  const found = fileSystemOf(tmpdir());
  expect(found.type).toMatch(/^[a-z0-9.]+$/);
  expect(found.isNetwork).toBe(isOnNetwork(tmpdir()));
  expect(fileSystemOf('/proc')).toMatchObject({ type: 'proc', isNetwork: false });
  expect(() => fileSystemOf('/no/such/directory')).toThrow('ENOENT');
});
