/** Which processes belong to a task, in made-up tables and in this machine's own. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { measure, ProcessReader, pageBytes } from '../../../../src/worker/monitor/processFiles.ts';
import { type ProcessRow, parseStat, treesOf } from '../../../../src/worker/monitor/processTree.ts';

const row = (pid: number, parent: number, session: number, group = session): ProcessRow => ({
  pid,
  parent,
  group,
  session,
  residentPages: 1,
});

/** Pids by root. */
const trees = (rows: ProcessRow[], ...roots: number[]) =>
  Object.fromEntries([...treesOf(rows, new Set(roots))].map(([root, tree]) => [root, tree.map(({ pid }) => pid).sort((a, b) => a - b)]));

test('a line of stat, also of a program with an awkward name', () => {
  const tail = `S 7 8 9 0 -1 4194560 1 0 0 0 2 3 0 0 20 0 1 0 100 4096 55 18446744073709551615`;
  const expected = { pid: 12, parent: 7, group: 8, session: 9, residentPages: 55 };
  expect(parseStat(`12 (cat) ${tail}\n`)).toEqual(expected);
  expect(parseStat(`12 (a ) S 1 1 (x) ${tail}\n`)).toEqual(expected);
  expect(parseStat(`2 (kthreadd) S 0 0 0 0 -1 2129984${' 0'.repeat(40)}`)).toBe('kernel');
  for (const text of ['', '12 (cat', '12 (cat) S 1 2', 'x (cat)']) expect(parseStat(text), text).toBeUndefined();
});

test('session, group, and what descends from there, wherever it has gone', () => {
  const rows = [
    row(1, 0, 1),
    row(50, 1, 50), // the worker
    row(100, 50, 100), // a task
    row(101, 100, 100),
    row(102, 100, 100, 102), // a job of its shell, with a group of its own
    row(103, 101, 103), // setsid
    row(104, 103, 103), // below it
    row(105, 1, 100), // an orphan still in the session
    row(106, 1, 106), // a daemon: nobody's any more
    row(200, 50, 200), // another task
    row(201, 200, 200),
    row(300, 50, 300), // a task that is not asked for
  ];
  expect(trees(rows, 100, 200)).toEqual({ 100: [100, 101, 102, 103, 104, 105], 200: [200, 201] });
  expect(trees(rows, 999)).toEqual({});
  expect(trees(rows.toReversed(), 100)).toEqual(trees(rows, 100));
});

test('tables that no machine can be in end, too: rows are not read at one moment', () => {
  expect(trees([row(2, 3, 9), row(3, 2, 9), row(4, 4, 9), row(5, 2, 7)], 7)).toEqual({ 7: [5] });
  const pid = fc.integer({ min: 1, max: 12 });
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.record({ pid, parent: pid, group: pid, session: pid, residentPages: pid }), { selector: (one) => one.pid }),
      (rows) => {
        const counted = [...treesOf(rows, new Set([1, 2, 3])).values()].flat();
        expect(new Set(counted).size).toBe(counted.length);
        for (const one of rows) if ([1, 2, 3].includes(one.session)) expect(counted).toContain(one);
      },
    ),
  );
});

test('this machine: the size of a page, ourselves and a child in a session of its own', async () => {
  expect(pageBytes()).toBe(Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' })));
  const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'spawn');
  const reader = new ProcessReader();
  reader.read();
  const rows = reader.read();
  const mine = rows.find(({ pid }) => pid === process.pid) as ProcessRow;
  expect(mine.parent).toBe(process.ppid);
  expect(trees(rows, child.pid as number)).toEqual({ [child.pid as number]: [child.pid] });
  const use = await measure([mine]);
  expect(use.bytes).toBeGreaterThan(10 * 2 ** 20);
  expect(use.heldBytes).toBeGreaterThan(2 * 2 ** 20);
  expect(use.heldBytes).toBeLessThanOrEqual(use.bytes);
  expect(use.bytes).toBeLessThan(process.memoryUsage.rss() * 2);
  expect(await measure([{ ...mine, pid: 2 ** 22 + 1 }])).toEqual({ bytes: 0, heldBytes: 0 });
});
