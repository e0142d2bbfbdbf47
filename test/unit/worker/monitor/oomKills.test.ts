/** The count of kills for lack of memory explains as many ends as it grew by, in both versions of control groups. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { HostFiles } from '../../../../src/worker/detect/hostFiles.ts';
import type { TaskEnd } from '../../../../src/worker/heldTask.ts';
import { OomKills } from '../../../../src/worker/monitor/oomKills.ts';

const KILLED: TaskEnd = { kind: 'signal', signal: 'SIGKILL' };

function machine(groups: string): { files: HostFiles; write: (path: string, text: string) => void } {
  const root = mkdtempSync(join(tmpdir(), 'hq-oom-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  write('proc/self/cgroup', groups);
  return { files: new HostFiles(root), write };
}

test.each([
  ['version 2', '0::/job\n', 'sys/fs/cgroup/job/memory.events', (n: number) => `low 0\noom ${n}\noom_kill ${n}\noom_group_kill 0\n`],
  ['version 1', '4:memory:/job\n', 'sys/fs/cgroup/memory/job/memory.oom_control', (n: number) => `under_oom 0\noom_kill ${n}\n`],
] as const)('%s', (_name, groups, path, text) => {
  const { files, write } = machine(groups);
  write(path, text(3));
  const kills = new OomKills(files);
  expect(kills.explain(KILLED)).toEqual(KILLED);
  write(path, text(5));
  expect(kills.explain({ kind: 'exit', code: 1 })).toEqual({ kind: 'exit', code: 1 });
  expect(kills.explain({ kind: 'signal', signal: 'SIGTERM' })).toEqual({ kind: 'signal', signal: 'SIGTERM' });
  expect(kills.explain(KILLED)).toEqual({ ...KILLED, outOfMemory: true });
  expect(kills.explain({ kind: 'exit', code: 137 })).toEqual({ kind: 'exit', code: 137, outOfMemory: true });
  expect(kills.explain(KILLED)).toEqual(KILLED);
});

test('where nothing is counted nothing is explained', () => {
  expect(new OomKills(machine('').files).explain(KILLED)).toEqual(KILLED);
  expect(new OomKills(machine('0::/\n').files).explain(KILLED)).toEqual(KILLED);
});
