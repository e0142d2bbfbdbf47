/** What each version of control groups reads and writes, with files as the kernel shows them: a machine has one version only. Limits that bite: `../memory.test.ts`. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { version1 } from '../../../../src/worker/cgroup/version1.ts';
import { version2 } from '../../../../src/worker/cgroup/version2.ts';
import { LEAF } from '../../../../src/worker/detect/delegation.ts';

const MIB = 2 ** 20;

/** @returns a directory with such files; those of real groups are there from the start, too */
function group(files: Readonly<Record<string, string>>, path = mkdtempSync(join(tmpdir(), 'hq-versions-'))): string {
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  mkdirSync(path, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

const read = (path: string, file: string): string => readFileSync(join(path, file), 'utf8');

describe('version 2', () => {
  test('a limit leaves no swap and kills the whole group; kernels without these files have a limit all the same', () => {
    const full = group({ 'memory.max': 'max', 'memory.swap.max': 'max', 'memory.oom.group': '0' });
    version2.limit(full, 5 * MIB);
    expect([read(full, 'memory.max'), read(full, 'memory.swap.max').slice(0, 1), read(full, 'memory.oom.group')]).toEqual([
      String(5 * MIB),
      '0',
      '1',
    ]);
    const old = group({ 'memory.max': 'max' });
    version2.limit(old, 5 * MIB);
    expect(existsSync(join(old, 'memory.oom.group'))).toBe(false);
    expect(() => version2.limit(group({}), 1)).toThrow('ENOENT');
  });

  test('use and peak; nothing of a group that is gone', () => {
    const one = group({
      'memory.current': '100\n',
      'memory.peak': '150\n',
      'memory.stat': 'anon 60\nfile 40\ninactive_file 30\nactive_file 5\n',
    });
    expect(version2.useOf(one)).toEqual({ bytes: 100, fileBytes: 35 });
    expect(version2.peakOf(one)).toBe(150);
    expect(version2.peakOf(group({}))).toBeUndefined();
    expect(version2.useOf('/nowhere')).toBeUndefined();
  });

  test('a kill at the own limit, at one inside of the task, and at one around it are told apart', () => {
    const none = 'low 0\nhigh 0\nmax 9\noom 0\noom_kill 0\noom_group_kill 0\n';
    const events = (oom: number): string => `low 0\nhigh 0\nmax 9\noom ${oom}\noom_kill 2\noom_group_kill 0\n`;
    expect(version2.killOf(group({ 'memory.events': none, 'memory.events.local': none }))).toBeNull();
    expect(version2.killOf(group({ 'memory.events': events(1), 'memory.events.local': events(1) }))).toBe('own-limit');
    expect(version2.killOf(group({ 'memory.events': events(1), 'memory.events.local': none }))).toBe('outside');
    expect(version2.killOf(group({ 'memory.events': events(0), 'memory.events.local': events(0) }))).toBe('outside');
    expect(version2.killOf(group({ 'memory.events': events(1) }))).toBe('own-limit');
    expect(version2.killOf('/nowhere')).toBeNull();
  });

  test('processes of the own group move below before it hands out memory, and back when no worker is left', () => {
    const base = group({ 'cgroup.type': 'domain', 'cgroup.subtree_control': '', 'cgroup.procs': `${process.pid}\n` });
    const leaf = group({ 'cgroup.procs': '' }, join(base, LEAF));
    const worker = group({ 'cgroup.subtree_control': '' }, join(base, 'worker'));
    version2.enable(base, worker);
    expect(read(leaf, 'cgroup.procs')).toBe(String(process.pid));
    expect([read(base, 'cgroup.subtree_control'), read(worker, 'cgroup.subtree_control')]).toEqual(['+memory', '+memory']);
    // What a kernel would have taken out of it.
    writeFileSync(join(base, 'cgroup.procs'), '');
    version2.disable(base);
    expect(read(base, 'cgroup.procs')).toBe(String(process.pid));
    expect(read(base, 'cgroup.subtree_control')).toBe('-memory');
  });

  test('processes that this one cannot see are left where they are; the root of all groups may keep its own', () => {
    const shared = group({ 'cgroup.type': 'domain', 'cgroup.subtree_control': '', 'cgroup.procs': '0\n' });
    group({ 'cgroup.procs': '' }, join(shared, LEAF));
    expect(() => version2.enable(shared, shared)).toThrow('has processes of others');
    expect(read(shared, 'cgroup.subtree_control')).toBe('');
    const root = group({ 'cgroup.subtree_control': 'cpu', 'cgroup.procs': '0\n' });
    version2.enable(root, group({ 'cgroup.subtree_control': '' }, join(root, 'worker')));
    expect(existsSync(join(root, LEAF))).toBe(false);
  });
});

describe('version 1', () => {
  test('a limit counts memory and swap together, where swap is counted', () => {
    const full = group({ 'memory.limit_in_bytes': '', 'memory.memsw.limit_in_bytes': '' });
    version1.limit(full, 5 * MIB);
    expect([read(full, 'memory.limit_in_bytes'), read(full, 'memory.memsw.limit_in_bytes')]).toEqual([String(5 * MIB), String(5 * MIB)]);
    const noSwap = group({ 'memory.limit_in_bytes': '' });
    version1.limit(noSwap, MIB);
    expect(read(noSwap, 'memory.limit_in_bytes')).toBe(String(MIB));
  });

  test('use with all groups below, and peak', () => {
    const stat = 'active_file 1\ninactive_file 2\ntotal_inactive_file 30\ntotal_active_file 5\n';
    const one = group({ 'memory.usage_in_bytes': '100\n', 'memory.max_usage_in_bytes': '150\n', 'memory.stat': stat });
    expect(version1.useOf(one)).toEqual({ bytes: 100, fileBytes: 35 });
    expect(version1.peakOf(one)).toBe(150);
    expect(version1.useOf('/nowhere')).toBeUndefined();
  });

  test('a kill is one at the own limit when hardly anything was left to it', () => {
    const killed = (peak: number, kills: number): string =>
      group({
        'memory.oom_control': `oom_kill_disable 0\nunder_oom 0\noom_kill ${kills}\n`,
        'memory.limit_in_bytes': String(50 * MIB),
        'memory.max_usage_in_bytes': String(peak),
      });
    expect(version1.killOf(killed(50 * MIB, 0))).toBeNull();
    expect(version1.killOf(killed(50 * MIB - 4096, 1))).toBe('own-limit');
    expect(version1.killOf(killed(20 * MIB, 1))).toBe('outside');
  });
});
