/** Damaged journals: whatever pages are destroyed, what is left starts a server, and the damaged file stays. */
import { copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { recoverJournal } from '../../../../src/server/journal/recover.ts';
import { PAGE_BYTES } from '../../../../src/server/journal/schema.ts';
import { assigned, finished, job, makeStore, openStore, restore, started, submit, T0, worker, write, writeEvents } from './helpers.ts';

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

/** A journal of some hundred pages: 12 jobs of 20 tasks, half of which have run. */
function someJournal(): string {
  const store = makeStore({ serverUid: 'abc123' });
  write(store, worker(1));
  for (let id = 1; id <= 12; id += 1) {
    write(store, job(id), submit(id, { ids: '0-19' }));
    for (let task = 0; task < 10; task += 1)
      write(store, assigned([task], { jobId: id }), started(task, { jobId: id }), finished(task, { jobId: id }));
    writeEvents(store, [{ seq: id, timeMs: T0, type: 'job-created', jobId: id, name: `job ${id}`, open: false }]);
  }
  store.close();
  return store.path;
}

test('a sound journal is left alone', () => {
  const path = someJournal();
  const before = readFileSync(path);
  expect(recoverJournal(path, NOW_MS)).toEqual({ damagedPath: null, findings: [] });
  expect(readFileSync(path).equals(before)).toBe(true);
  expect(readdirSync(dirname(path))).toEqual([basename(path)]);
});

test('whatever pages are destroyed, what is left starts a server', () => {
  const original = someJournal();
  const pages = statSync(original).size / PAGE_BYTES;
  const damage = fc.array(
    fc.record({
      page: fc.integer({ min: 1, max: pages - 1 }),
      from: fc.nat(PAGE_BYTES - 1),
      byte: fc.nat(255),
      length: fc.nat(PAGE_BYTES),
    }),
    { minLength: 1, maxLength: 3 },
  );
  let [recovered, kept] = [0, 0];
  fc.assert(
    fc.property(damage, (places) => {
      const path = `${original}.run`;
      const bytes = readFileSync(original);
      for (const { page, from, byte, length } of places)
        bytes.fill(byte, page * PAGE_BYTES + from, Math.min((page + 1) * PAGE_BYTES, page * PAGE_BYTES + from + length));
      writeFileSync(path, bytes, { mode: 0o600 });
      const { damagedPath, findings } = recoverJournal(path, NOW_MS);
      if (damagedPath !== null) {
        recovered += 1;
        expect(readFileSync(damagedPath).length).toBe(bytes.length);
        expect(findings.length).toBeGreaterThan(0);
      }
      const store = openStore(path);
      const { jobs } = restore(store);
      store.close();
      kept += jobs.length;
      for (const { job: row, submits } of jobs) expect([row.jobId, submits.length]).toEqual([row.jobId, 1]);
      expect(recoverJournal(path, NOW_MS).damagedPath).toBeNull();
    }),
    { numRuns: 12 },
  );
  // Few pages of many: much of it is there, and the damage was not only in places that hold nothing.
  expect(recovered).toBeGreaterThan(2);
  expect(kept / (12 * 12)).toBeGreaterThan(0.25);
}, 60_000);

test('a page that holds what an earlier one holds is not read for ever', () => {
  const original = someJournal();
  const bytes = readFileSync(original);
  const TABLE_LEAF = 13;
  const leaves = Array.from({ length: bytes.length / PAGE_BYTES - 1 }, (_, at) => (at + 1) * PAGE_BYTES).filter(
    (at) => bytes[at] === TABLE_LEAF,
  );
  let recovered = 0;
  for (const source of leaves.slice(0, 3))
    for (const target of leaves.filter((place) => place !== source)) {
      const path = `${original}.run`;
      const damaged = Buffer.from(bytes);
      bytes.copy(damaged, target, source, source + PAGE_BYTES);
      writeFileSync(path, damaged, { mode: 0o600 });
      recovered += recoverJournal(path, NOW_MS).damagedPath === null ? 0 : 1;
      expect(recoverJournal(path, NOW_MS).damagedPath).toBeNull();
    }
  expect(recovered).toBeGreaterThan(5);
}, 60_000);

test('what is no database any more becomes an empty journal, and stays aside', () => {
  const path = someJournal();
  copyFileSync(path, `${path}.before`);
  writeFileSync(path, 'x'.repeat(5_000));
  const { damagedPath, findings } = recoverJournal(path, NOW_MS);
  expect(damagedPath).toBe(`${path}.damaged-20260102T030405Z`);
  expect(findings).toEqual(['nothing of it is readable: it is no database any more']);
  expect(readFileSync(damagedPath as string, 'utf8')).toBe('x'.repeat(5_000));
  const store = openStore(path);
  expect(restore(store).jobs).toEqual([]);
  store.close();
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('a journal in use, and one that does not exist, are refused', () => {
  const store = makeStore();
  expect(() => recoverJournal(`${store.path}.missing`, NOW_MS)).toThrow('there is no such file');
  // The lock belongs to this process, which SQLite knows.
  expect(() => recoverJournal(store.path, NOW_MS)).toThrow(/a server already runs/);
  store.close();
});
