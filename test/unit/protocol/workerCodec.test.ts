import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Packr } from 'msgpackr';
import { expect, test } from 'vitest';
import { encodeFrame, FrameParser } from '../../../src/protocol/framing.ts';
import type { FromWorker } from '../../../src/protocol/messages/worker.ts';
import { decodeFromWorker, decodeToWorker, encodeFromWorker, encodeToWorker } from '../../../src/protocol/messages/workerCodec.ts';
import { FROM_WORKER, TO_WORKER } from './goldenMessages.ts';

const GOLDEN = new URL('../../../fixtures/frames/', import.meta.url);
/** Messages that the first version of the protocol did not have. */
const SINCE_1_1 = new Set([
  ...['to-worker.member', 'to-worker.welcome-room', 'to-worker.welcome-notices', 'to-worker.compute-warm', 'to-worker.compute-wrapper'],
  'to-worker.compute-warm-function',
  ...['from-worker.updates-room', 'from-worker.notice'],
]);
const packr = new Packr({ useRecords: false });

const cases = [
  ...Object.entries(TO_WORKER).map(([name, message]) => ({
    name: `to-worker.${name}`,
    message,
    body: encodeToWorker(message),
    decode: decodeToWorker,
  })),
  ...Object.entries(FROM_WORKER).map(([name, message]) => ({
    name: `from-worker.${name}`,
    message,
    body: encodeFromWorker(message),
    decode: decodeFromWorker,
  })),
];

test.each(cases)('$name: the frame is the golden one and decodes to the message', ({ name, message, body, decode }) => {
  const path = new URL(`${SINCE_1_1.has(name) ? '1.1' : '1.0'}.${name}.frame`, GOLDEN);
  const frame = encodeFrame(body);
  if (process.env.HQ_WRITE_FRAMES === '1' && !existsSync(path)) writeFileSync(path, frame);
  const golden = readFileSync(path);
  expect(golden.toString('hex')).toBe(frame.toString('hex'));
  const parser = new FrameParser();
  parser.push(golden);
  expect(normal(decode(parser.next() as Buffer))).toEqual(normal(message));
});

test('every golden frame of every version is readable', () => {
  const names = readdirSync(GOLDEN).filter((name) => name.endsWith('.frame'));
  expect(names.length).toBeGreaterThanOrEqual(cases.length);
  for (const name of names) {
    const parser = new FrameParser();
    parser.push(readFileSync(new URL(name, GOLDEN)));
    const body = parser.next() as Buffer;
    expect(() => (name.includes('.to-worker.') ? decodeToWorker(body) : decodeFromWorker(body))).not.toThrow();
  }
});

test('a worker of a version that does not say how it guards memory is welcome', () => {
  const parser = new FrameParser();
  parser.push(readFileSync(new URL('1.0.from-worker.hello.frame', GOLDEN)));
  const [, hello] = decodeFromWorker(parser.next() as Buffer) as Extract<FromWorker, readonly ['hello', unknown]>;
  expect(hello.configuration.memoryGuard).toBeUndefined();
});

test('usage of workers that do not know the peak of all processes is completed', () => {
  const parser = new FrameParser();
  parser.push(readFileSync(new URL('1.0.from-worker.updates.frame', GOLDEN)));
  const [, , updates] = decodeFromWorker(parser.next() as Buffer) as Extract<FromWorker, readonly ['updates', ...unknown[]]>;
  expect(updates[1]?.[5]).toEqual({ wallMs: 12.25, userMs: 3, systemMs: null, maxRssBytes: 5_000_000_000, peakMemBytes: null });
});

const [, bodies] = TO_WORKER.compute as readonly [string, readonly object[]];
const b = { ...bodies[0] };
const onNodes = { ...b, request: [{ nodes: 2, minTimeMs: 0, weight: 1, entries: [] }] };
const update = [1, 1, 0, 0, 5, null];
const badToWorker: [string, unknown][] = [
  ['unknown message kind "dance"', ['dance', 1]],
  ['unknown message kind "5"', [5]],
  ['it is not a tuple', { kind: 'stop' }],
  ['it is not a tuple', []],
  ['stop: length', ['stop', 1]],
  ['member: layout', ['member', 1]],
  ['ack: sequence number', ['ack', -1]],
  ['ack: sequence number', ['ack', 1.5]],
  ['cancel: tasks', ['cancel', [[1, 2]]]],
  ['retract: tasks', ['retract', [[1, 2, '3']]]],
  ['refused: reason', ['refused', 'x']],
  ['compute: layout', ['compute', [b]]],
  ['compute: a body', ['compute', [null], []]],
  ['compute: command', ['compute', [{ ...b, command: [] }], []]],
  ['compute: env', ['compute', [{ ...b, env: { A: 1 } }], []]],
  ['compute: stdout or stderr', ['compute', [{ ...b, stdout: { path: 'x' } }], []]],
  ['compute: stdin', ['compute', [{ ...b, stdin: 'text' }], []]],
  ['compute: time limit', ['compute', [{ ...b, timeLimitMs: 0 }], []]],
  ['compute: pin', ['compute', [{ ...b, pin: 'hard' }], []]],
  ['compute: warm', ['compute', [{ ...b, warm: { kind: 'snakemake', run: 'x', level: 'imports' } }], []]],
  ['compute: warm', ['compute', [{ ...b, warm: { kind: 'python', python: 'p', run: 'x', level: 'imports', imports: [1] } }], []]],
  ['compute: request', ['compute', [{ ...b, request: [] }], []]],
  [
    'compute: request',
    ['compute', [{ ...b, request: [{ nodes: 0, minTimeMs: 0, weight: 1, entries: [{ name: 'cpus', policy: 'loose', units: 1 }] }] }], []],
  ],
  ['compute: a task', ['compute', [b], [[1, 0, 0, 1, null, 0]]]],
  ['compute: a task', ['compute', [b], [[1, 0, 0, 0, null, 2]]]],
  ['compute: a task', ['compute', [b], [[1, 0, 0, 0, 7, 0]]]],
  ['compute: a task', ['compute', [b], [[2 ** 32, 0, 0, 0, null, 0]]]],
  ['compute: a task', ['compute', [b], [[1, 0, 0, 0, null, 0, ['a']]]]],
  ['compute: a task', ['compute', [onNodes], [[1, 0, 0, 0, null, 0]]]],
  ['compute: a task', ['compute', [onNodes], [[1, 0, 0, 0, null, 0, ['a']]]]],
  ['compute: a task', ['compute', [onNodes], [[1, 0, 0, 0, null, 0, ['a', 'b'], 0]]]],
  ['compute: a task', ['compute', [onNodes], [[1, 0, 0, 0, null, 0, ['a', 'two\nlines']]]]],
  ['welcome: identity', ['welcome', { workerId: 'x' }]],
];
const badFromWorker: [string, unknown][] = [
  ['unknown message kind "stop"', ['stop']],
  ['updates: layout', ['updates', 0, []]],
  ['updates: layout', ['updates', 1, {}]],
  ['updates: layout', ['updates', 1, [], [], []]],
  ['updates: room', ['updates', 1, [], [[[1.5]]]]],
  ['updates: room', ['updates', 1, [], [[1]]]],
  ['updates: room', ['updates', 1, [], null]],
  ['updates: an update', ['updates', 1, [[9, 1, 0, 0, 5]]]],
  ['updates: an update', ['updates', 1, [[3, 1, 0, 0, 5, 1]]]],
  ['updates: an update', ['updates', 1, [[3, 1, 0, -1, 5]]]],
  ['updates: an update', ['updates', 1, [[0, 1, 0, 0, Number.NaN, 0]]]],
  ['updates: an update', ['updates', 1, [[1, 1, 0, 0, 5, { wallMs: '1' }]]]],
  ['updates: an update', ['updates', 1, [update, [2, 1, 0, 0, 5, null, { kind: 'bored', error: '', exitCode: null, signal: null }]]]],
  ['leaving: reason', ['leaving', 'HEARTBEAT LOST']],
  ['heartbeat: length', ['heartbeat', 1]],
  ['hello: session: Invalid', ['hello', { ...(FROM_WORKER['hello-guard']?.[1] as object), session: 'xyz' }]],
];

test.each(badToWorker)('a worker refuses: %s', (detail, message) => {
  expect(() => decodeToWorker(packr.pack(message))).toThrow(detail);
});

test.each(badFromWorker)('the server refuses: %s', (detail, message) => {
  expect(() => decodeFromWorker(packr.pack(message))).toThrow(detail);
});

test('bytes that are no msgpack are refused with the code of a protocol error', () => {
  for (const hex of ['', 'c1', '92', 'dd7fffffff', 'a5616263', `${'91'.repeat(60_000)}01`, '9201c0ff']) {
    expect(() => decodeFromWorker(Buffer.from(hex, 'hex')), hex.slice(0, 20)).toThrow(
      expect.objectContaining({ code: 'HQ_E_PROTOCOL' }) as Error,
    );
  }
});

/** Buffers compare as Uint8Array, `undefined` fields as given. */
function normal(value: unknown): unknown {
  if (value instanceof Uint8Array) return Array.from(value);
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, normal(inner)]));
  return value;
}
