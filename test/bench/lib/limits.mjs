/** What bounds the figures: processes started from C, a bare Node, bare sockets, one fsync. Used by the benchmarks as denominators. */
import { fork } from 'node:child_process';
import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { mustRun } from '../../../scripts/lib/command.mjs';
import { checkCompiler } from '../../../scripts/lib/machine.mjs';
import { build, inRoot } from '../../../scripts/lib/paths.mjs';
import { end, track } from './processes.mjs';

/** What a small transaction of the journal writes, bytes. */
const PAGE_BYTES = 4096;

let compiled;

/** The C program, compiled once per run. @throws Trouble when there is no compiler */
function limitProgram() {
  compiled ??= (async () => {
    checkCompiler();
    const binary = join(build, 'bench/limit');
    mkdirSync(join(build, 'bench'), { recursive: true });
    await mustRun('cc', 'cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', binary, inRoot('test/bench/limit.c')]);
    return binary;
  })();
  return compiled;
}

async function timedByC(count, slots, command, options) {
  const output = await mustRun(command.join(' '), await limitProgram(), [String(count), String(slots), ...command], options);
  // What the program said on its standard error may stand before or after it.
  return Number(/^(\d+\.\d+) ms$/m.exec(output)[1]);
}

/** @returns {Promise<number>} milliseconds per start of /bin/true, `slots` at a time */
export const spawnLimit = (count, slots) => timedByC(count, slots, ['/bin/true'], {});

/** @returns {Promise<number>} milliseconds of one run of a command, the mean of `count` runs one after the other. @throws Trouble when one fails */
export const stopwatch = (count, command, options = {}) => timedByC(count, 1, command, options);

/** @returns {Promise<number>} milliseconds of a Node that does nothing */
export const nodeLimit = (count) => stopwatch(count, [process.execPath, '-e', '0']);

/** One small write below `folder` that is on disk afterwards: the least that an acknowledged change can cost. */
export function writeDurably(folder) {
  const file = openSync(join(folder, 'durable'), 'w');
  try {
    writeSync(file, Buffer.alloc(PAGE_BYTES));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * The same traffic as a server and its workers had, over bare TCP sockets between two Node processes: on each connection a frame down, a frame up,
 * and so on.
 * @param {{ connections: number, framesDown: number, bytesDown: number, framesUp: number, bytesUp: number }} traffic
 * @returns {Promise<{ wallMs: number, cpuMs: number }>} CPU time of the side that plays the server
 */
export async function socketLimit({ connections, framesDown, bytesDown, framesUp, bytesUp }) {
  const exchanges = Math.max(framesDown, framesUp, connections);
  const down = Buffer.alloc(Math.max(1, Math.round(bytesDown / exchanges)));
  const upBytes = Math.max(1, Math.round(bytesUp / exchanges));
  const child = track(fork(inRoot('test/bench/lib/socketEcho.mjs'), [String(down.length), String(upBytes)]));
  const port = await new Promise((done) => child.once('message', done));
  const sockets = await Promise.all(Array.from({ length: connections }, () => connected(port)));
  const [started, cpu] = [performance.now(), process.cpuUsage()];
  const share = (at) => Math.floor(exchanges / connections) + (at < exchanges % connections ? 1 : 0);
  await Promise.all(sockets.map((socket, at) => exchange(socket, { count: share(at), down, upBytes })));
  const wallMs = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  for (const socket of sockets) socket.destroy();
  await end(child);
  return { wallMs, cpuMs: (user + system) / 1000 };
}

function connected(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.setNoDelay(true);
    socket.once('error', reject);
  });
}

/** Sends `count` frames, each after the answer to the one before. */
function exchange(socket, { count, down, upBytes }) {
  return new Promise((done) => {
    let [left, have] = [count, 0];
    socket.on('data', (chunk) => {
      have += chunk.length;
      if (have < upBytes) return;
      have = 0;
      left -= 1;
      if (left === 0) done();
      else socket.write(down);
    });
    socket.write(down);
  });
}
