/** Rows are given out, taken back and given out again; what is no longer needed leaves the memory. */
import { expect, test } from 'vitest';
import { FINISHED, READY, TaskTable } from '../../../src/core/taskTable.ts';

test('a free range is used again, its columns empty', () => {
  const table = new TaskTable();
  const [a, b] = [table.allocate(10), table.allocate(5)];
  table.state.fill(READY, a, a + 10);
  table.worker.fill(7, a, a + 10);
  table.free(a, 10);
  expect(table.state[a]).toBe(FINISHED);
  expect([table.rowCount, table.freeRows]).toEqual([15, 10]);
  const again = table.allocate(4);
  expect([again, b, table.state[again], table.worker[again]]).toEqual([a, 10, 0, 0]);
});

test('the free end of the table is forgotten, and comes back empty', () => {
  const table = new TaskTable();
  const [a, b, c] = [table.allocate(10), table.allocate(5), table.allocate(5)];
  table.free(b, 5);
  expect([table.rowCount, table.freeRows]).toEqual([20, 5]);
  table.instance.fill(3, c, c + 5);
  table.free(c, 5);
  expect([table.rowCount, table.freeRows]).toEqual([10, 0]);
  const again = table.allocate(8);
  expect(again).toBe(10);
  expect([...table.state.subarray(again, again + 8), ...table.instance.subarray(again, again + 8)].every((value) => value === 0)).toBe(
    true,
  );
  table.free(a, 10);
  table.free(again, 8);
  expect([table.rowCount, table.freeRows]).toEqual([0, 0]);
});

test('memory of a large job is given back, what others hold stays as it is', () => {
  const table = new TaskTable();
  const small = table.allocate(100);
  table.taskId.fill(42, small, small + 100);
  const large = table.allocate(1_000_000);
  expect(table.capacityRows).toBeGreaterThanOrEqual(1_000_100);
  table.free(large, 1_000_000);
  expect(table.capacityRows).toBeLessThan(100_000);
  expect(table.givenBackRows).toBe(1_000_100 - table.capacityRows);
  expect(table.taskId.length).toBe(table.capacityRows);
  expect([...table.taskId.subarray(small, small + 100)].every((value) => value === 42)).toBe(true);
});
