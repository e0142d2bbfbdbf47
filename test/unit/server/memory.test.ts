import { expect, test, vi } from 'vitest';
import { collectNow, MemoryReturn } from '../../../src/server/memory.ts';

test('the collector runs three times, soon after a large job, and not for small ones', () => {
  vi.useFakeTimers();
  const collect = vi.fn();
  const memory = new MemoryReturn(collect);
  memory.review(100_000);
  vi.runAllTimers();
  expect(collect).not.toHaveBeenCalled();
  memory.review(700_000);
  memory.review(700_000);
  expect(collect).not.toHaveBeenCalled();
  vi.runAllTimers();
  expect(collect).toHaveBeenCalledTimes(3);
  memory.review(700_000);
  vi.runAllTimers();
  expect(collect).toHaveBeenCalledTimes(3);
  vi.useRealTimers();
});

test('the engine has a collector to hand out', async () => {
  let gone = false;
  const registry = new FinalizationRegistry(() => {
    gone = true;
  });
  registry.register({ some: 'garbage' }, null);
  await vi.waitFor(() => {
    collectNow();
    expect(gone).toBe(true);
  });
});
