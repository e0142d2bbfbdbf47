/** Readers of events: recent ones out of memory, old ones out of the journal, each once and in order, filtered without decoding what is not wanted. */
import { expect, test, vi } from 'vitest';
import type { EventBody, HqEvent } from '../../../src/protocol/schema/event.ts';
import { EventHub } from '../../../src/server/eventHub.ts';
import { type EventPage, EventWriter } from '../../../src/server/journal/eventCodec.ts';
import type { Journal } from '../../../src/server/journal/types.ts';

const closed = (jobId: number): EventBody => ({ type: 'job-closed', jobId });
const completed = (jobId: number): EventBody => ({ type: 'job-completed', jobId });

/** A journal that only keeps pages of events, and counts how often it is asked. */
class Pages {
  readonly pages: EventPage[] = [];
  asked = 0;

  async events(after: number, limit: number): Promise<{ first: number; pages: EventPage[] }> {
    this.asked += 1;
    const found: EventPage[] = [];
    let count = 0;
    for (const page of this.pages.filter(({ lastSeq }) => lastSeq > after)) {
      if (count >= limit) break;
      found.push(page);
      count += page.count;
    }
    return { first: this.pages[0]?.firstSeq ?? 1, pages: found };
  }
}

function makeHub(): { hub: EventHub; journal: Pages; publish(bodies: readonly EventBody[]): EventPage } {
  const journal = new Pages();
  const hub = new EventHub(journal as unknown as Journal, 0);
  const writer = new EventWriter(0);
  const publish = (bodies: readonly EventBody[]): EventPage => {
    for (const body of bodies) writer.add(1_000, body);
    const page = writer.take() as EventPage;
    journal.pages.push(page);
    hub.publish(page);
    return page;
  };
  return { hub, journal, publish };
}

async function read(hub: EventHub, filter: Partial<Parameters<EventHub['read']>[0]>): Promise<HqEvent[]> {
  const all: HqEvent[] = [];
  const signal = new AbortController().signal;
  for await (const events of hub.read({ follow: false, signal, ...filter } as Parameters<EventHub['read']>[0])) all.push(...events);
  return all;
}

const seqs = (events: readonly HqEvent[]): number[] => events.map(({ seq }) => seq);

test('a reader begins in the middle of a page', async () => {
  const { hub, publish } = makeHub();
  publish([closed(1), closed(2), closed(3)]);
  publish([completed(1), closed(4)]);
  expect(seqs(await read(hub, { after: 1 }))).toEqual([2, 3, 4, 5]);
  expect(seqs(await read(hub, { after: 4 }))).toEqual([5]);
  expect(await read(hub, { after: 5 })).toEqual([]);
});

test('what was committed since a reader came last comes in one list', async () => {
  const { hub, publish } = makeHub();
  const abort = new AbortController();
  const lists: number[][] = [];
  const reading = (async () => {
    for await (const events of hub.read({ after: 0, follow: true, signal: abort.signal })) {
      lists.push(seqs(events));
      // While it is busy, more is committed.
      if (lists.length === 1) for (const jobId of [2, 3, 4]) publish([closed(jobId), completed(jobId)]);
      if (lists.length === 2) abort.abort();
    }
  })();
  publish([closed(1)]);
  await reading;
  expect(lists).toEqual([[1], [2, 3, 4, 5, 6, 7]]);
});

test('filters by kind and job', async () => {
  const { hub, publish } = makeHub();
  publish([closed(1), completed(1), closed(2), completed(2)]);
  expect(seqs(await read(hub, { after: 0, types: ['job-completed'] }))).toEqual([2, 4]);
  expect(seqs(await read(hub, { after: 0, jobIds: [2] }))).toEqual([3, 4]);
  expect(await read(hub, { after: 0, types: ['no-such-kind'] })).toEqual([]);
});

test('a page without a wanted kind is not decoded, and one page is decoded once for all readers of the moment', async () => {
  const { hub, publish } = makeHub();
  const [without, wanted] = [publish([closed(1)]), publish([completed(1)])];
  const decodes = [vi.spyOn(without, 'decode'), vi.spyOn(wanted, 'decode')];
  const filter = { after: 0, types: ['job-completed'] };
  await Promise.all([read(hub, filter), read(hub, filter)]);
  expect(decodes.map((spy) => spy.mock.calls.length)).toEqual([0, 1]);
});

test('what has left the memory comes out of the journal, page by page, the rest out of memory', async () => {
  const { hub, journal, publish } = makeHub();
  const perPage = 5_000;
  for (let page = 0; page < 40; page += 1) publish(Array.from({ length: perPage }, (_, i) => closed(page * perPage + i)));
  const all = await read(hub, { after: 0 });
  expect(all.length).toBe(200_000);
  expect(all.every(({ seq }, i) => seq === i + 1)).toBe(true);
  expect(journal.asked).toBeGreaterThan(5);
  expect(journal.asked).toBeLessThan(40);
});

test('a follower is woken by each page until it is aborted', async () => {
  const { hub, publish } = makeHub();
  const abort = new AbortController();
  const seen: number[] = [];
  const reading = (async () => {
    for await (const events of hub.read({ follow: true, signal: abort.signal, types: ['job-completed'] })) {
      seen.push(...seqs(events));
      if (seen.length === 2) abort.abort();
    }
  })();
  publish([completed(1)]);
  await vi.waitFor(() => expect(seen).toEqual([1]));
  publish([closed(2)]);
  publish([completed(2)]);
  await reading;
  expect(seen).toEqual([1, 3]);
});

test('events that were deleted are an error, not a gap', async () => {
  const { hub, journal, publish } = makeHub();
  for (let page = 0; page < 40; page += 1) publish(Array.from({ length: 5_000 }, () => closed(1)));
  journal.pages.splice(0, 2);
  await expect(read(hub, { after: 3 })).rejects.toThrow('10001');
});
