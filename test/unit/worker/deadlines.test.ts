import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Deadlines } from '../../../src/worker/deadlines.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test('deadlines fire in order of time, once, never early, behind one timer', () => {
  const deadlines = new Deadlines();
  const fired: number[] = [];
  const delays = [500, 20, 300, 20, 1000, 7, 0, 650];
  for (const delay of delays) deadlines.after(delay, () => fired.push(delay));
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(6);
  expect(fired).toEqual([0]);
  vi.advanceTimersByTime(294);
  expect(fired).toEqual([0, 7, 20, 20, 300]);
  vi.advanceTimersByTime(10_000);
  expect(fired).toEqual([0, 7, 20, 20, 300, 500, 650, 1000]);
  expect(vi.getTimerCount()).toBe(0);
});

test('cancelled deadlines do not fire and do not pile up', () => {
  const deadlines = new Deadlines();
  const fired: string[] = [];
  deadlines.after(50, () => fired.push('kept'));
  const many = Array.from({ length: 1000 }, (_, i) => deadlines.after(1000 + i, () => fired.push('cancelled')));
  for (const one of many) deadlines.cancel(one);
  deadlines.cancel(many[0]);
  deadlines.cancel(undefined);
  expect((deadlines as unknown as { heap: unknown[] }).heap.length).toBeLessThan(10);
  vi.advanceTimersByTime(5_000);
  expect(fired).toEqual(['kept']);
});

test('an action may set and cancel deadlines', () => {
  const deadlines = new Deadlines();
  const fired: string[] = [];
  const second = deadlines.after(20, () => fired.push('second'));
  deadlines.after(10, () => {
    fired.push('first');
    deadlines.cancel(second);
    deadlines.after(5, () => fired.push('third'));
  });
  vi.advanceTimersByTime(100);
  expect(fired).toEqual(['first', 'third']);
});

test('delays longer than timers can express, and endless ones', () => {
  const deadlines = new Deadlines();
  const fired: string[] = [];
  deadlines.after(Number.POSITIVE_INFINITY, () => fired.push('never'));
  expect(vi.getTimerCount()).toBe(0);
  deadlines.after(3_000_000_000, () => fired.push('a month'));
  vi.advanceTimersByTime(2_999_999_999);
  expect(fired).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(fired).toEqual(['a month']);
});

test('after clear nothing fires', () => {
  const deadlines = new Deadlines();
  const fired: string[] = [];
  deadlines.after(10, () => fired.push('x'));
  deadlines.clear();
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(100);
  expect(fired).toEqual([]);
});
