import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { connectEndpoint } from '../../../src/net/connect.ts';
import type { CloseReason, Connection } from '../../../src/net/connection.ts';
import { type Listener, type ListenOptions, listen } from '../../../src/net/listen.ts';
import { HqError } from '../../../src/protocol/errors.ts';
import { encodeFrame } from '../../../src/protocol/framing.ts';
import { makeCertificate } from './certificate.ts';

let tls: { key: string; certificate: string };
const cleanups: (() => unknown)[] = [];

beforeAll(async () => {
  tls = await makeCertificate();
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Records what a connection delivers; `on` lets a test act on a frame. */
class Recorder {
  readonly frames: string[] = [];
  closed: CloseReason | undefined;
  closes = 0;
  on: (text: string) => void = () => {};
  onFrame(body: Buffer): void {
    this.frames.push(body.toString());
    this.on(body.toString());
  }
  onClose(reason: CloseReason): void {
    this.closed = reason;
    this.closes += 1;
  }
}

async function server(
  options: Partial<ListenOptions> = {},
): Promise<{ listener: Listener; accepted: { connection: Connection; seen: Recorder }[] }> {
  const accepted: { connection: Connection; seen: Recorder }[] = [];
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    tls,
    onConnection: (connection) => {
      const seen = new Recorder();
      accepted.push({ connection, seen });
      cleanups.push(() => connection.destroy());
      connection.start(seen);
    },
    ...options,
  });
  cleanups.push(() => listener.close());
  return { listener, accepted };
}

async function client(
  port: number,
  hosts = ['127.0.0.1'],
  certificate: string | null = tls.certificate,
): Promise<{ connection: Connection; seen: Recorder }> {
  const connection = await connectEndpoint({ hosts, port, token: null, certificate }, { accessPath: 'access' });
  cleanups.push(() => connection.destroy());
  const seen = new Recorder();
  connection.start(seen);
  return { connection, seen };
}

async function rawClient(port: number): Promise<Socket> {
  const socket = connectTcp({ host: '127.0.0.1', port });
  cleanups.push(() => socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

test('frames arrive in order on both sides over TLS, those of one turn in one write', async () => {
  const { listener, accepted } = await server();
  const a = await client(listener.port);
  await vi.waitFor(() => expect(accepted).toHaveLength(1));
  const b = accepted[0] as (typeof accepted)[0];
  for (let i = 0; i < 500; i += 1) a.connection.send(Buffer.from(`frame ${i}`));
  b.connection.send(Buffer.from('hi'));
  await vi.waitFor(() => expect(b.seen.frames).toHaveLength(500));
  expect(b.seen.frames[499]).toBe('frame 499');
  await vi.waitFor(() => expect(a.seen.frames).toEqual(['hi']));
  expect(a.connection.queuedBytes).toBe(0);
});

test('sends of one turn make one write', async () => {
  const chunks: number[] = [];
  const sink = createServer((socket) => socket.on('data', (chunk) => chunks.push(chunk.length)));
  await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => sink.close());
  const a = await client((sink.address() as { port: number }).port, ['127.0.0.1'], null);
  for (let i = 0; i < 100; i += 1) a.connection.send(Buffer.from('x'));
  expect(a.connection.queuedBytes).toBe(500);
  await vi.waitFor(() => expect(chunks.reduce((sum, n) => sum + n, 0)).toBe(500));
  expect(chunks).toEqual([500]);
});

test('a closed connection delivers what was sent before, then tells both sides once', async () => {
  const { listener, accepted } = await server();
  const a = await client(listener.port);
  await vi.waitFor(() => expect(accepted).toHaveLength(1));
  a.connection.send(Buffer.from('last words'));
  a.connection.close('done');
  a.connection.send(Buffer.from('never'));
  const b = accepted[0] as (typeof accepted)[0];
  await vi.waitFor(() => expect(b.seen.closed).toEqual({ kind: 'peer', detail: 'the peer closed the connection' }));
  expect(b.seen.frames).toEqual(['last words']);
  await vi.waitFor(() => expect(a.seen.closed).toEqual({ kind: 'local', detail: 'done' }));
  expect([a.seen.closes, b.seen.closes]).toEqual([1, 1]);
});

test('another certificate than the pinned one is refused before anything is sent', async () => {
  const { listener, accepted } = await server();
  const other = await makeCertificate();
  await expect(client(listener.port, ['127.0.0.1'], other.certificate)).rejects.toThrow(/127\.0\.0\.1: .*certificate/);
  expect(accepted).toHaveLength(0);
});

test('every host is tried in turn and all failures are named', async () => {
  const { listener } = await server();
  const a = await client(listener.port, ['127.0.0.77', '127.0.0.1']);
  expect(a.connection.isOpen).toBe(true);
  await expect(client(listener.port, ['127.0.0.77', '127.0.0.78'])).rejects.toThrow(/127\.0\.0\.77: .*; 127\.0\.0\.78: /);
});

test('an oversized frame before the hello ends the connection, after it does not', async () => {
  const { listener, accepted } = await server();
  const big = Buffer.alloc(65 * 1024, 1);
  const a = await client(listener.port);
  a.connection.send(big);
  await vi.waitFor(() => expect(accepted[0]?.seen.closed?.kind).toBe('protocol'));
  expect(accepted[0]?.seen.closed?.detail).toBe('protocol error: a frame of 66560 bytes is larger than the limit of 65536 bytes');

  const b = await client(listener.port);
  await vi.waitFor(() => expect(accepted).toHaveLength(2));
  const acceptedB = accepted[1] as (typeof accepted)[1];
  acceptedB.seen.on = () => acceptedB.connection.accepted();
  b.connection.send(Buffer.from('hello'));
  b.connection.send(big);
  await vi.waitFor(() => expect(acceptedB.seen.frames).toHaveLength(2));
});

test('an HqError of the owner ends the connection as a protocol error', async () => {
  const { listener, accepted } = await server();
  const a = await client(listener.port);
  await vi.waitFor(() => expect(accepted).toHaveLength(1));
  const b = accepted[0] as (typeof accepted)[0];
  b.seen.on = () => {
    throw new HqError('HQ_E_PROTOCOL', { detail: 'nonsense' });
  };
  a.connection.send(Buffer.from('?'));
  a.connection.send(Buffer.from('not delivered'));
  await vi.waitFor(() => expect(b.seen.closed).toEqual({ kind: 'protocol', detail: 'protocol error: nonsense' }));
  expect(b.seen.frames).toEqual(['?']);
});

test('silence before the hello and silence after it time out', async () => {
  const { listener, accepted } = await server({ handshakeTimeoutMs: 50 });
  await client(listener.port);
  await vi.waitFor(() => expect(accepted[0]?.seen.closed).toEqual({ kind: 'timeout', detail: 'no hello within 0.05 s' }));
  await client(listener.port);
  await vi.waitFor(() => expect(accepted).toHaveLength(2));
  accepted[1]?.connection.accepted();
  accepted[1]?.connection.setIdleTimeout(60);
  await vi.waitFor(() => expect(accepted[1]?.seen.closed).toEqual({ kind: 'timeout', detail: 'nothing was received for 0.06 s' }));
});

test('bytes that are no TLS are refused with a line', async () => {
  const refused: string[] = [];
  const { listener, accepted } = await server({ onRefused: (detail) => refused.push(detail) });
  const socket = await rawClient(listener.port);
  socket.on('error', () => {});
  socket.write('GET / HTTP/1.1\r\n\r\n');
  await vi.waitFor(() => expect(refused).toHaveLength(1));
  expect(accepted).toHaveLength(0);
});

test('an end within a frame is a loss, not a clean end', async () => {
  const { listener, accepted } = await server({ tls: null });
  const socket = await rawClient(listener.port);
  socket.end(encodeFrame(Buffer.from('abcdef')).subarray(0, 7));
  await vi.waitFor(() => expect(accepted[0]?.seen.closed).toEqual({ kind: 'lost', detail: 'the connection ended within a frame' }));
});

test('a port in use is named; close cuts unfinished handshakes', async () => {
  const { listener } = await server();
  await expect(server({ port: listener.port })).rejects.toThrow(`cannot listen on port ${listener.port} of 127.0.0.1: it is in use`);
  const socket = await rawClient(listener.port);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => {});
  await vi.waitFor(async () => expect(await connections(listener)).toBe(true));
  await listener.close();
  await closed;
});

/** One more connection is accepted and refused, so everything before it has been seen. */
async function connections(listener: Listener): Promise<boolean> {
  const probe = await client(listener.port);
  probe.connection.destroy();
  return true;
}
