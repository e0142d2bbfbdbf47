/** Following events over cuts and restarts: every event once and in order, and an end in bounded time. */
import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectClient, type HqClient } from '../../../src/client/client.ts';
import type { EventReader } from '../../../src/client/eventReader.ts';
import { HqError } from '../../../src/protocol/errors.ts';
import type { HqEvent } from '../../../src/protocol/schema/event.ts';
import { SERVER_INFO } from '../server/api/support/fakeFacade.ts';
import { TestServer } from '../server/api/support/testServer.ts';

let server: TestServer;
let client: HqClient;
beforeEach(() => {
  server = new TestServer();
});
afterEach(async () => {
  client.close();
  await server.stop();
});

async function startAndConnect(): Promise<void> {
  await server.start({ socket: true });
  server.writeAccess();
  client = await connectClient({ serverDir: server.dir, env: {} });
}

const publish = (count: number, jobId = 1) => {
  for (let i = 0; i < count; i += 1) server.facade.publish({ type: 'job-idle', jobId });
};

/** Sequence numbers read so far, and the end of reading. */
function collect(reader: EventReader): { seqs: number[]; end: Promise<string> } {
  const seqs: number[] = [];
  const end = (async () => {
    for await (const batch of reader) seqs.push(...batch.map((event: HqEvent) => event.seq));
    return 'end';
  })().catch((error: unknown) => (error instanceof HqError ? `${error.code}: ${error.message}` : String(error)));
  return { seqs, end };
}

const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);

describe('reading', () => {
  test('the kept events, then the end', async () => {
    await startAndConnect();
    publish(1_200);
    const { seqs, end } = collect(client.events({ after: 0, follow: false }));
    expect([await end, seqs]).toEqual(['end', upTo(1_200)]);
  });

  test('after `ready` nothing is missed, though nobody reads yet', async () => {
    await startAndConnect();
    publish(2);
    const reader = client.events({ jobIds: [1], types: ['job-idle'] });
    await reader.ready();
    publish(1);
    expect((await reader.next()).value).toEqual([{ seq: 3, timeMs: 1, type: 'job-idle', jobId: 1 }]);
    expect(reader.lastSeq).toBe(3);
    await reader.return();
    expect(server.facade.calls).toEqual([['events', { follow: true, jobIds: [1], types: ['job-idle'] }]]);
  });

  test('leaving the loop ends the stream', async () => {
    await startAndConnect();
    publish(1);
    for await (const _ of client.events({ after: 0 })) break;
    await vi.waitFor(() => expect(server.facade.streamEnds).toEqual(['lost']));
  });

  test('leaving ends the lease cleanly, also while waiting for an event', async () => {
    await startAndConnect();
    const reader = client.events({ lease: 'run 1/a' });
    await reader.ready();
    const next = reader.next();
    await reader.return();
    expect(await next).toEqual({ done: true, value: undefined });
    expect(server.facade.streamEnds).toEqual(['lease ended']);
  });

  test('a signal ends it with its reason, and the lease counts as lost', async () => {
    await startAndConnect();
    const controller = new AbortController();
    const reader = client.events({ lease: 'a', signal: controller.signal });
    await reader.ready();
    const { end } = collect(reader);
    controller.abort(new Error('SIGTERM'));
    expect(await end).toBe('Error: SIGTERM');
    await vi.waitFor(() => expect(server.facade.streamEnds).toEqual(['lost']));
  });
});

describe('refusals are not retried', () => {
  test('when the stream is opened', async () => {
    await startAndConnect();
    server.facade.failNext = { method: 'events', error: new HqError('HQ_E_EVENTS_GONE', { first: 7 }) };
    const reader = client.events({ after: 1 });
    await expect(reader.ready()).rejects.toThrow('events before 7 are no longer kept');
    expect(await collect(reader).end).toBe('HQ_E_EVENTS_GONE: events before 7 are no longer kept');
  });

  test('when it runs', async () => {
    await startAndConnect();
    server.facade.events = async function* () {
      yield [{ seq: 1, timeMs: 1, type: 'job-idle', jobId: 1 }] as HqEvent[];
      throw new HqError('HQ_E_EVENTS_GONE', { first: 7 });
    };
    const { seqs, end } = collect(client.events({ after: 0 }));
    expect([await end, seqs]).toEqual(['HQ_E_EVENTS_GONE: events before 7 are no longer kept', [1]]);
  });

  test('no server at all', async () => {
    await startAndConnect();
    await server.closeListeners();
    expect(await collect(client.events()).end).toContain('HQ_E_NO_SERVER');
  });
});

describe('cuts', () => {
  test('resumes by number over restarts of the server, even live and before the first event', async () => {
    await startAndConnect();
    publish(3);
    const cuts: string[] = [];
    const reader = client.events({ onCut: (error) => cuts.push(error.code) });
    await reader.ready();
    const { seqs, end } = collect(reader);
    for (let round = 1; round <= 3; round += 1) {
      await vi.waitFor(() => expect(seqs).toEqual(upTo(3 + (round - 1) * 2).slice(3)));
      await server.closeListeners({ graceMs: 0 });
      // Happens while nobody listens.
      publish(1);
      await server.start({ socket: true });
      publish(1);
    }
    await vi.waitFor(() => expect(seqs).toEqual([4, 5, 6, 7, 8, 9]));
    expect(cuts).toEqual(['HQ_E_SERVER_GONE', 'HQ_E_SERVER_GONE', 'HQ_E_SERVER_GONE']);
    await reader.return();
    expect(await end).toBe('end');
  });

  test('finds a server that comes back at another place', async () => {
    await startAndConnect();
    publish(1);
    const reader = client.events({ after: 0 });
    const { seqs } = collect(reader);
    await vi.waitFor(() => expect(seqs).toEqual([1]));
    await server.closeListeners({ graceMs: 0 });
    await server.start({ tls: true });
    server.writeAccess({ socket: null });
    publish(1);
    await vi.waitFor(() => expect(seqs).toEqual([1, 2]), { timeout: 5_000 });
    await reader.return();
  });

  test('another server in its place is no continuation', async () => {
    await startAndConnect();
    const reader = client.events({ after: 0 });
    await reader.ready();
    const { end } = collect(reader);
    await server.closeListeners({ graceMs: 0 });
    server.facade.info = { ...SERVER_INFO, serverUid: 'uid-2' };
    await server.start({ socket: true });
    expect(await end).toContain('HQ_E_EVENTS_GONE');
  });

  test('a server that stays away ends the reading', async () => {
    await startAndConnect();
    const reader = client.events({ after: 0, reconnectMs: 120 });
    await reader.ready();
    const { end } = collect(reader);
    await server.closeListeners({ graceMs: 0 });
    expect(await end).toBe('HQ_E_SERVER_GONE: the server went away in mid-command: it did not come back within 0.12 s');
  });

  test('so does one that accepts and closes for ever', async () => {
    let streams = 0;
    const closing: Server = createServer((_request, response) => {
      streams += 1;
      response.writeHead(200, { 'hq-server-uid': 'u' }).end(': resumed\n\n');
    });
    await new Promise<void>((resolve) => closing.listen(server.socketPath, resolve));
    server.writeAccess();
    client = await connectClient({ serverDir: server.dir, env: {} });
    expect(await collect(client.events({ after: 0, reconnectMs: 200 })).end).toContain('it did not come back within 0.2 s');
    expect(streams).toBeGreaterThan(1);
    expect(streams).toBeLessThan(6);
    closing.close();
  });

  test('closing the client while the server is away', async () => {
    await startAndConnect();
    const reader = client.events({ after: 0, lease: 'a' });
    await reader.ready();
    const { end } = collect(reader);
    await server.closeListeners({ graceMs: 0 });
    await vi.waitFor(() => expect(server.facade.streamEnds).toHaveLength(1));
    await reader.return();
    expect(await end).toBe('end');
  });
});
