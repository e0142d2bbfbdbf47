/** The thread that runs commands for fronts, on this thread: which commands it takes, what it does with bytes that are no front's, how it ends. */
import { statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { listenForFronts } from '../../../src/cli/front/listener.ts';
import { encodeFrame, FrameParser } from '../../../src/protocol/framing.ts';
import * as frames from '../../../src/protocol/frontFrames.ts';
import { VERSION } from '../../../src/protocol/version.ts';
import { CliWorld } from '../../helpers/cli.ts';
import { job } from '../../helpers/cliFacade.ts';

/** The machine may be busy. */
const until = (holds: () => void): Promise<void> => vi.waitFor(holds, 9_000);

let world: CliWorld;
let listener: { close(): void };
let path: string;

beforeEach(async () => {
  world = new CliWorld();
  await world.start();
  path = join(world.work, 'front.cmd');
  listener = await listenForFronts(path);
});
afterEach(async () => {
  listener.close();
  await world.stop();
});

/** A front made by hand. */
class Front {
  readonly socket: Socket;
  /** `O`, `E`, … with the text. */
  readonly received: [kind: string, text: string][] = [];
  private readonly closed: Promise<void>;
  private readonly parser = new FrameParser(1_000_000);

  constructor() {
    this.socket = connect(path);
    this.socket.on('data', (chunk: Buffer) => {
      this.parser.push(chunk);
      for (let body = this.parser.next(); body !== undefined; body = this.parser.next())
        this.received.push([String.fromCharCode(body[0] as number), body.toString('latin1', 1)]);
    });
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
  }

  send(kind: number, data: Uint8Array | string): this {
    this.socket.write(encodeFrame(Buffer.concat([Buffer.of(kind), Buffer.from(data)])));
    return this;
  }

  hello(argv: string[], o: { env?: Record<string, string>; version?: string; protocol?: number; cwd?: string } = {}): this {
    const env = { HQ_SERVER_DIR: world.serverDir, ...nodesOwn(), ...o.env };
    const pairs = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const words = [o.version ?? VERSION, o.cwd ?? world.work, ...argv, ...pairs].map((word) => `${word}\0`).join('');
    this.socket.write(helloOf(argv.length, words, o.protocol));
    return this;
  }

  async end(): Promise<string> {
    await this.closed;
    return this.received.map(([kind]) => kind).join('');
  }

  text(kind: string): string {
    return this.received
      .filter(([one]) => one === kind)
      .map(([, text]) => text)
      .join('');
  }
}

function nodesOwn(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(TZ|NODE_.*)$/.test(name))) as Record<string, string>;
}

test('a command says that it has begun, prints, and ends with its code', async () => {
  world.facade.jobs.push(job(1));
  const front = new Front().hello(['--output-mode', 'quiet', 'job', 'list', '--all']);
  expect(await front.end()).toBe('BOX');
  expect(front.received).toEqual([
    ['B', 'r'],
    ['O', '1 FINISHED\n'],
    ['X', '\0'],
  ]);
});

test('its directory, its variables and its usage errors are those of the front', async () => {
  const front = new Front().hello(['submit', '--', 'prog'], { cwd: '/somewhere/else', env: { HQ_OUTPUT_MODE: 'json' } });
  expect(await front.end()).toBe('BOX');
  expect(front.text('O')).toContain('"id": 1');
  expect(world.facade.changes[0]).toMatchObject(['createJob', { submit: { submitDir: '/somewhere/else' } }]);
  const wrong = new Front().hello(['job', 'lst']);
  expect(await wrong.end()).toBe('EX');
  expect(wrong.text('E')).toContain("unrecognized subcommand 'lst'");
  expect(wrong.text('X')).toBe('\x02');
});

test('standard input is asked for by a command that reads it, and by no other', async () => {
  const front = new Front().hello(['submit', '--stdin', '--', 'cat']);
  await until(() => expect(front.text('B')).toBe('c'));
  await until(() => expect(front.received.map(([kind]) => kind)).toContain('G'));
  front.send(frames.INPUT, 'one ').send(frames.INPUT, 'two').send(frames.INPUT, '');
  expect(await front.end()).toBe('BGOX');
  const stdin = Buffer.from('one two').toString('base64');
  expect(world.facade.changes[0]).toMatchObject(['createJob', { submit: { tasks: { spec: { stdin } } } }]);
});

test('the beginning of a script is asked for, and read by the front', async () => {
  const front = new Front().hello(['--output-mode=quiet', 'submit', '--directives=file', '.command.run'], { cwd: '/of/the/front' });
  await until(() =>
    expect(front.received).toEqual([
      ['B', 'c'],
      ['R', '.command.run'],
    ]),
  );
  front.send(frames.FILE_START, '#!/bin/bash\n#HQ --name nf-x\n#HQ --cpus 2\n');
  expect(await front.end()).toBe('BROX');
  expect(front.text('O')).toBe('1\n');
  expect(world.facade.changes[0]).toMatchObject([
    'createJob',
    {
      name: 'nf-x',
      submit: { submitDir: '/of/the/front', tasks: { spec: { command: ['/bin/bash', '.command.run'], wrapper: 'nextflow' } } },
    },
  ]);
});

test.each([
  ['commands that read whole files', ['submit', '--each-line', 'lines', '--', 'x']],
  ['commands that read files', ['job', 'cat', '1', 'stdout']],
  ['commands that are no short ones', ['server', 'stop']],
  ['logs', ['output-log', '/x', 'summary']],
  ['submits that wait', ['submit', '--wait', '--', 'x']],
  ['stacks of another process', ['--debug', 'job', 'list']],
])('not for the server: %s', async (_what, argv) => {
  const front = new Front().hello(argv);
  expect(await front.end()).toBe('N');
  expect(world.facade.changes).toEqual([]);
});

test.each([
  ['another version', { version: '0.0.9' }],
  ['another protocol', { protocol: 99 }],
  ['another time zone', { env: { TZ: 'Antarctica/Troll' } }],
  ['other options for Node', { env: { NODE_OPTIONS: '--max-old-space-size=99' } }],
  ['a directory that is none', { cwd: 'relative' }],
])('not for the server: %s', async (_what, options) => {
  expect(await new Front().hello(['job', 'list'], options).end()).toBe('N');
});

test('a signal ends a wait as it ends the command of a process', async () => {
  world.facade.jobs.push(job(1, { stats: { running: 1, finished: 0, failed: 0, canceled: 0, aborted: 0, waiting: 0 } }));
  const followed = new Promise<void>((resolve) => {
    world.facade.onEvents = resolve;
  });
  const front = new Front().hello(['job', 'wait', '1']);
  await followed;
  front.send(frames.SIGNAL, 'SIGINT');
  expect(await front.end()).toBe('BEX');
  expect(front.text('E')).toBe('Interrupted: the jobs go on. Cancel them with: hq job cancel 1\n');
  expect(front.text('X').charCodeAt(0)).toBe(130);
});

test('a front that goes away takes its wait along', async () => {
  world.facade.jobs.push(job(1, { stats: { running: 1, finished: 0, failed: 0, canceled: 0, aborted: 0, waiting: 0 } }));
  let streams = 0;
  world.facade.onEvents = () => {
    streams += 1;
  };
  const fronts = Array.from({ length: 12 }, () => new Front().hello(['job', 'wait', '1']));
  await until(() => expect(streams).toBe(12));
  const before = world.connections;
  for (const front of fronts) front.socket.destroy();
  // Each had a connection of its own for its events.
  await until(() => expect(world.connections).toBeLessThanOrEqual(before - 12));
});

test('output of megabytes comes whole, in frames that a front can take', async () => {
  const name = 'n'.repeat(4_000);
  world.facade.jobs.push(...Array.from({ length: 500 }, (_, index) => job(index + 1, { name })));
  const front = new Front().hello(['--output-mode', 'json', 'job', 'list', '--all']);
  const kinds = await front.end();
  expect(kinds).toMatch(/^BO+X$/);
  expect(JSON.parse(front.text('O'))).toHaveLength(500);
  expect(Math.max(...front.received.map(([, text]) => text.length))).toBeLessThanOrEqual(64 * 1024);
});

describe('bytes of no front', () => {
  test.each([
    ['garbage', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a huge length', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x48])],
    ['a frame of no bytes', Buffer.from([0, 0, 0, 0])],
    ['a hello that is too short', encodeFrame(Buffer.from('H\x01\0\0\0'))],
    ['a hello that promises more arguments than it has', helloOf(4_000_000_000, 'v\0/\0')],
    ['a hello without an end', helloOf(0, 'v\0/')],
    ['another frame first', encodeFrame(Buffer.from('Iabc'))],
  ])('%s', async (_what, bytes) => {
    const front = new Front();
    front.socket.write(bytes);
    expect(['', 'N']).toContain(await front.end());
    expect(await new Front().hello(['job', 'list']).end()).toBe('BOX');
  });

  test('a second hello, and a piece of input that is too large, end the connection', async () => {
    world.facade.jobs.push(job(1, { stats: { running: 1, finished: 0, failed: 0, canceled: 0, aborted: 0, waiting: 0 } }));
    const twice = new Front().hello(['job', 'wait', '1']).hello(['job', 'wait', '1']);
    expect(await twice.end()).not.toContain('X');
    const large = new Front().hello(['submit', '--stdin', '--', 'x']);
    await until(() => expect(large.text('B')).toBe('c'));
    large.send(frames.INPUT, Buffer.alloc(100_000));
    expect(await large.end()).not.toContain('X');
    expect(world.facade.changes).toEqual([]);
  });

  test('halves of a hello and connections that just end', async () => {
    for (let index = 0; index < 30; index += 1) {
      const front = new Front();
      if (index % 2 === 0) front.socket.write(helloOf(0, `${VERSION}\0/\0`).subarray(0, 9 + index));
      front.socket.end();
      await front.end();
    }
    expect(await new Front().hello(['job', 'list']).end()).toBe('BOX');
  });
});

function helloOf(argc: number, words: string, protocol: number = frames.FRONT_PROTOCOL): Buffer {
  const numbers = Buffer.from(Uint32Array.of(protocol, 0, 0, 0, argc).buffer);
  return encodeFrame(Buffer.concat([Buffer.of(frames.HELLO), numbers, Buffer.from(words)]));
}

test('the socket is private', () => {
  expect(statSync(path).mode & 0o777).toBe(0o600);
});
