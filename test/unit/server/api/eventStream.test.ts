/** The event stream over a Unix socket: what it sends, where it resumes, how it ends, and what a slow reader costs. */
import { type IncomingMessage, request } from 'node:http';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { HqError } from '../../../../src/protocol/errors.ts';
import type { HqEvent } from '../../../../src/protocol/schema/event.ts';
import type { EventFilter } from '../../../../src/server/api/facade.ts';
import type { FakeFacade } from './support/fakeFacade.ts';
import { open } from './support/rawSocket.ts';
import { TestServer } from './support/testServer.ts';

let server: TestServer;
beforeEach(() => {
  server = new TestServer();
});
afterEach(() => server.stop());

/** A reader that keeps everything it was sent. */
class Reader {
  text = '';
  readonly response: IncomingMessage;
  readonly ended: Promise<'end' | 'cut'>;

  constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => (this.text += chunk));
    this.ended = new Promise((resolve) => {
      response.once('end', () => resolve('end'));
      response.once('error', () => resolve('cut'));
    });
  }

  get events(): HqEvent[] {
    return [...this.text.matchAll(/^event: batch\ndata: (.*)\n\n/gm)].flatMap((match) => JSON.parse(match[1] as string) as HqEvent[]);
  }

  get seqs(): number[] {
    return this.events.map((event) => event.seq);
  }
}

function follow(query = '', headers: Record<string, string> = {}): Promise<Reader> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: server.socketPath, path: `/v1/events${query}`, headers, agent: false }, (response) =>
      resolve(new Reader(response)),
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}

const publish = (count: number, jobId = 1) => {
  for (let i = 0; i < count; i += 1) server.facade.publish({ type: 'job-idle', jobId });
};

describe('what is sent', () => {
  test('the kept events after a number, then the end', async () => {
    await server.start();
    publish(5);
    const reader = await follow('?after=2&follow=false');
    expect(await reader.ended).toBe('end');
    expect(reader.response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'hq-server-uid': 'uid-1',
    });
    expect(reader.text).toBe(`: resumed\n\nid: 5\nevent: batch\ndata: ${JSON.stringify(server.facade.log.slice(2))}\n\n`);
    expect(server.facade.streamEnds).toEqual(['done']);
  });

  test('a reader that is not to be called too often gets the first batch at once and what has happened since in one', async () => {
    await server.start();
    const [reader, other] = [await follow('?gatherMs=2000'), await follow()];
    for (const seq of [1, 2, 3, 4]) {
      publish(1);
      await vi.waitFor(() => expect(other.seqs.at(-1)).toBe(seq), { interval: 1 });
      if (seq === 1) await vi.waitFor(() => expect(reader.seqs).toEqual([1]), { interval: 1 });
    }
    await vi.waitFor(() => expect(reader.seqs).toEqual([1, 2, 3, 4]), { timeout: 10_000 });
    const ids = ({ text }: Reader) => text.match(/(?<=^id: )\d+/gm);
    expect([ids(reader), ids(other)]).toEqual([
      ['0', '1', '4'],
      ['0', '1', '2', '3', '4'],
    ]);
  });

  test('a reader that is far behind is not held up', async () => {
    await server.start();
    publish(3_000);
    const reader = await follow('?after=0&gatherMs=10000');
    await vi.waitFor(() => expect(reader.seqs.length).toBe(3_000));
  });

  test('a stream that gathers ends at once', async () => {
    await server.start();
    const reader = await follow('?gatherMs=10000&lease=mine');
    publish(1);
    await vi.waitFor(() => expect(reader.seqs).toEqual([1]));
    publish(1);
    await endLease('mine');
    expect(await reader.ended).toBe('end');
    expect(server.facade.streamEnds).toEqual(['lease ended']);
  });

  test('a live reader gets the number to resume from before anything has happened, then each batch once', async () => {
    await server.start();
    publish(3);
    const reader = await follow();
    await vi.waitFor(() => expect(reader.text).toBe('id: 3\n\n'));
    publish(1);
    await vi.waitFor(() => expect(reader.seqs).toEqual([4]));
    publish(1);
    await vi.waitFor(() => expect(reader.seqs).toEqual([4, 5]));
    expect(reader.text).toContain('id: 5\nevent: batch\n');
  });

  test('Last-Event-ID comes before the query', async () => {
    await server.start();
    publish(4);
    const reader = await follow('?after=0&follow=false', { 'last-event-id': '3' });
    await reader.ended;
    expect(reader.seqs).toEqual([4]);
  });

  test('the filter reaches the facade', async () => {
    await server.start();
    await follow('?after=7&jobs=3-5&types=task-started,task-failed&lease=wf%201');
    expect(server.facade.calls).toEqual([
      ['events', { follow: true, after: 7, jobIds: [3, 4, 5], types: ['task-started', 'task-failed'], lease: 'wf 1' }],
    ]);
  });

  test('a batch of many events is sent as several messages', async () => {
    await server.start();
    const events = Array.from({ length: 2_500 }, (_, i): HqEvent => ({ seq: i + 1, timeMs: 1, type: 'job-idle', jobId: 1 }));
    server.facade.events = async function* () {
      yield events;
    };
    const reader = await follow('?after=0');
    await reader.ended;
    expect(reader.events).toEqual(events);
    expect([...reader.text.matchAll(/^id: (\d+)$/gm)].map((match) => match[1])).toEqual(['1000', '2000', '2500']);
  });

  test('silence is broken by comments', async () => {
    await server.start({ socket: true, limits: { eventKeepAliveMs: 10 } });
    const reader = await follow('?after=0');
    await vi.waitFor(() => expect(reader.text).toContain(': keep-alive\n\n: keep-alive\n\n'));
  });
});

describe('how it ends', () => {
  test('what the facade refuses at once has its status', async () => {
    await server.start();
    server.facade.failNext = { method: 'events', error: new HqError('HQ_E_EVENTS_GONE', { first: 90 }) };
    const reader = await follow('?after=1');
    await reader.ended;
    expect([reader.response.statusCode, JSON.parse(reader.text)]).toMatchObject([
      410,
      { error: { code: 'HQ_E_EVENTS_GONE', data: { first: 90 } } },
    ]);
  });

  test('what it refuses later is a message', async () => {
    await server.start();
    server.facade.events = failing(new HqError('HQ_E_EVENTS_GONE', { first: 90 }));
    const reader = await follow('?after=1');
    expect(await reader.ended).toBe('end');
    expect(reader.text).toMatch(
      /^: resumed\n\nevent: failure\ndata: \{"error":\{"code":"HQ_E_EVENTS_GONE".*"data":\{"first":90\}\}\}\n\n$/,
    );
  });

  test('a defect of the facade is logged', async () => {
    await server.start();
    server.facade.events = failing(new TypeError('boom'));
    const reader = await follow('?after=1');
    await reader.ended;
    expect(reader.text).toContain('HQ_E_INTERNAL');
    expect(server.logged.map(([level]) => level)).toContain('error');
  });

  test('a reader that leaves ends its iterator as lost', async () => {
    await server.start();
    const reader = await follow('?lease=a');
    await vi.waitFor(() => expect(server.facade.openStreams).toBe(1));
    reader.response.destroy();
    await vi.waitFor(() => expect(server.facade.streamEnds).toEqual(['lost']));
    expect(server.facade.openStreams).toBe(0);
  });

  test('an ended lease ends its streams cleanly, and no others', async () => {
    await server.start();
    const [a1, a2, b] = (await Promise.all([follow('?lease=a'), follow('?lease=a'), follow('?lease=b')])) as [Reader, Reader, Reader];
    await vi.waitFor(() => expect(server.facade.openStreams).toBe(3));
    expect(await endLease('a')).toEqual({ ended: 2 });
    expect(await Promise.all([a1.ended, a2.ended])).toEqual(['end', 'end']);
    await vi.waitFor(() => expect(server.facade.streamEnds).toEqual(['lease ended', 'lease ended']));
    expect(await endLease('a')).toEqual({ ended: 0 });
    publish(1);
    await vi.waitFor(() => expect(b.seqs).toEqual([1]));
  });

  test('an iterator with a return of its own gets it before the abort', async () => {
    await server.start();
    const order: string[] = [];
    server.facade.events = ({ signal }: EventFilter) => {
      signal.addEventListener('abort', () => order.push(`abort: ${signal.reason}`));
      return {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise(() => undefined),
          return: async () => {
            order.push('return');
            return { done: true, value: undefined };
          },
        }),
      };
    };
    const reader = await follow('?lease=a');
    await endLease('a');
    expect(await reader.ended).toBe('end');
    expect(order).toEqual(['return', 'abort: lease ended']);
  });

  test('closing the listener ends streams at once', async () => {
    await server.start();
    const reader = await follow('?after=0');
    await server.closeListeners({ graceMs: 60_000 });
    expect(await reader.ended).toBe('end');
    await vi.waitFor(() => expect(server.facade.streamEnds).toEqual(['lost']));
  });
});

describe('a slow reader', () => {
  /** Endless events of a kilobyte each; counts what was taken. */
  function endless(): { taken: () => number } {
    let seq = 0;
    server.facade.events = async function* ({ signal }: EventFilter) {
      try {
        for (;;) {
          seq += 1;
          yield [{ seq, timeMs: 1, type: 'job-canceled', jobId: 1, reason: 'x'.repeat(1_000) }] as HqEvent[];
        }
      } finally {
        server.facade.streamEnds.push(signal.aborted ? 'lost' : 'done');
      }
    };
    return { taken: () => seq };
  }

  test('is not read for, and is cut off when it takes nothing at all', async () => {
    await server.start({ socket: true, limits: { eventStallMs: 200 } });
    const { taken } = endless();
    const socket = await open({ path: server.socketPath });
    socket.pause();
    socket.write('GET /v1/events?after=0 HTTP/1.1\r\n\r\n');
    await vi.waitFor(() => expect(server.facade.streamEnds).toEqual(['lost']), { timeout: 5_000 });
    // The buffers of the kernel and of the connection, 1 kB an event: far from everything.
    expect(taken()).toBeGreaterThan(10);
    expect(taken()).toBeLessThan(5_000);
    expect(server.logged.map(([level, , text]) => [level, text])).toContainEqual([
      'warn',
      'an event stream is cut off: its reader takes nothing',
    ]);
    socket.destroy();
  });

  test('is served as long as it takes something, and resumes by number', async () => {
    await server.start({ socket: true });
    publish(3_000);
    const first = await follow('?after=0&follow=false');
    await vi.waitFor(() => expect(first.seqs.length).toBeGreaterThan(500));
    first.response.destroy();
    const seen = first.seqs;
    const second = await follow(`?after=${seen.at(-1)}&follow=false`);
    await second.ended;
    expect([...seen, ...second.seqs]).toEqual(server.facade.log.map((event) => event.seq));
  });
});

/** An iterator that fails at its first step. */
function failing(error: Error): FakeFacade['events'] {
  return () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) });
}

function endLease(lease: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: server.socketPath, method: 'DELETE', path: `/v1/leases/${lease}`, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve(JSON.parse(text)));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
