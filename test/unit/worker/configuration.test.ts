/** How long a worker lives: as long as it was told, but never longer than the batch job around it. */
import { expect, test } from 'vitest';
import { makeConfiguration } from '../../../src/worker/configuration.ts';

const HOUR_MS = 3_600_000;

async function lifetimeMs(o: { timeLimitMs?: number; jobLeftMs?: number }): Promise<number | null> {
  const end = o.jobLeftMs === undefined ? {} : { HQ_ALLOCATION_END: String(Math.floor((Date.now() + o.jobLeftMs) / 1_000)) };
  const env = { HQ_ALLOCATION_ID: '7', HQ_ALLOCATION_MANAGER: 'local', ...end };
  const made = await makeConfiguration({
    overrides: o.timeLimitMs === undefined ? {} : { timeLimitMs: o.timeLimitMs },
    env,
    resources: { resources: [{ name: 'cpus', kind: 'range', start: 0, end: 0 }], coupling: { weights: [] } },
    memoryGuard: 'off',
    workDir: '/nowhere',
    startedAtMs: Date.now(),
    warn: () => {},
  });
  expect(made.allocation).toEqual({ manager: 'local', id: '7' });
  return made.timeLimitMs;
}

test('a time limit beyond the end of the batch job is cut there', async () => {
  const left = await lifetimeMs({ timeLimitMs: 4 * HOUR_MS, jobLeftMs: HOUR_MS });
  expect(left).toBeGreaterThan(HOUR_MS - 60_000);
  expect(left).toBeLessThanOrEqual(HOUR_MS);
});

test('without one the job decides, and without a known end the option does', async () => {
  expect(await lifetimeMs({ jobLeftMs: HOUR_MS })).toBeLessThanOrEqual(HOUR_MS);
  expect(await lifetimeMs({ timeLimitMs: 1_000, jobLeftMs: HOUR_MS })).toBe(1_000);
  expect(await lifetimeMs({ timeLimitMs: 2_000 })).toBe(2_000);
  expect(await lifetimeMs({})).toBeNull();
});
