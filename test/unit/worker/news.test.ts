import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type TaskUpdate, UPDATE_FINISHED, UPDATE_RETRACTED, UPDATE_STARTED } from '../../../src/protocol/messages/worker.ts';
import { News } from '../../../src/worker/news.ts';

const started = (task: number): TaskUpdate => [UPDATE_STARTED, 1, task, 0, 1_000, 0];
const finished = (task: number): TaskUpdate => [UPDATE_FINISHED, 1, task, 0, 1_000, null];
const retracted = (task: number): TaskUpdate => [UPDATE_RETRACTED, 1, task, 0, 1_000];

/** Each frame that was sent, as the number of its updates and the time, milliseconds. */
let frames: { size: number; atMs: number }[];
let news: News;

describe('news of tasks', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 0 });
    frames = [];
    news = new News(() => frames.push({ size: news.take().length, atMs: Date.now() }));
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('goes at once where no other task waits, with all that has waited', () => {
    news.add([started(1)], true);
    news.add([finished(1)], false);
    expect(frames).toEqual([{ size: 2, atMs: 0 }]);
  });

  it('goes at once when it is neither a start nor a success', () => {
    news.add([finished(1), started(2)], true);
    news.add([retracted(3)], true);
    expect(frames).toEqual([{ size: 3, atMs: 0 }]);
  });

  it('is gathered for 40 ms while it is little and each end has made room for a start', () => {
    news.add([finished(1), started(2)], true);
    vi.advanceTimersByTime(20);
    news.add([finished(2), started(3)], true);
    vi.advanceTimersByTime(19);
    expect(frames).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(frames).toEqual([{ size: 4, atMs: 40 }]);
  });

  it('is gathered for 5 ms where nothing has taken the place of a task', () => {
    news.add([finished(1)], true);
    vi.advanceTimersByTime(5);
    expect(frames).toEqual([{ size: 1, atMs: 5 }]);
    news.add([started(2), finished(3)], true);
    vi.advanceTimersByTime(10);
    news.add([finished(4)], true);
    expect(frames[1]).toEqual({ size: 3, atMs: 15 });
  });

  it('is gathered for 5 ms where a task starts beside the others', () => {
    news.add([started(1), started(2)], true);
    vi.advanceTimersByTime(5);
    expect(frames).toEqual([{ size: 2, atMs: 5 }]);
    news.add([finished(1), started(3)], true);
    vi.advanceTimersByTime(10);
    news.add([started(4)], true);
    expect(frames[1]).toEqual({ size: 3, atMs: 15 });
  });

  it('goes as soon as a dozen have come', () => {
    news.add([finished(0), started(1)], true);
    vi.advanceTimersByTime(10);
    for (let task = 1; task < 6; task += 1) news.add([finished(task), started(task + 1)], true);
    expect(frames).toEqual([{ size: 12, atMs: 10 }]);
  });

  it('waits up to 20 ms for more of very short tasks, and at most for 256', () => {
    for (let ms = 0; ms < 20; ms += 1) {
      for (let pair = 0; pair < 4; pair += 1) news.add([finished(ms), started(ms + 1)], true);
      vi.advanceTimersByTime(1);
    }
    expect(frames).toEqual([{ size: 160, atMs: 20 }]);
    for (let task = 0; task < 256; task += 1) news.add([started(task)], true);
    expect(frames[1]).toEqual({ size: 256, atMs: 20 });
  });

  it('sends nothing for what somebody else has taken', () => {
    news.add([started(1)], true);
    expect(news.take()).toHaveLength(1);
    vi.advanceTimersByTime(100);
    expect(frames).toEqual([]);
    expect(news.size).toBe(0);
  });
});
