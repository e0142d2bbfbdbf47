/** Temporary stream directories and shorthands for the output log tests; every directory made here is removed after its test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { WriteAt } from '../../../src/outputlog/fileTail.ts';
import { type Channel, type Notice, OutputLog } from '../../../src/outputlog/reader.ts';
import { type OpenOptions, OutputLogWriter } from '../../../src/outputlog/writer.ts';

export const T0 = 1_790_000_000_000;

const dirs: string[] = [];
const writers: OutputLogWriter[] = [];

afterEach(() => {
  for (const writer of writers.splice(0)) writer.abandon();
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

export function makeDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'hq-outputlog-'));
  dirs.push(dir);
  return dir;
}

export function openWriter(o: Partial<OpenOptions> & { dir: string }, writeAt?: WriteAt): OutputLogWriter {
  const workerId = o.workerId ?? 1;
  const full = { jobId: 1, serverUid: 'Wi1AgQ', workerId, session: `session-${workerId}`, nowMs: T0, ...o };
  const writer = OutputLogWriter.open(full, writeAt);
  writers.push(writer);
  return writer;
}

/** Appends text on stdout of a task's instance 0 (or as given). */
export function say(
  writer: OutputLogWriter,
  taskId: number,
  text: string,
  more: { instance?: number; channel?: Channel; timeMs?: number } = {},
): void {
  writer.append({ taskId, instance: 0, channel: 'stdout', timeMs: T0, data: Buffer.from(text), ...more });
}

export function finish(writer: OutputLogWriter, taskId: number, instance = 0): void {
  writer.end({ taskId, instance, outcome: 'finished', timeMs: T0 + 5 });
}

/** Everything a log says about a job, small enough to compare. */
export interface Contents {
  [task: string]: { instance: number; finished: boolean; stdout: string; stderr: string };
}

export function contents(log: OutputLog, jobId: number): Contents {
  const result: Contents = {};
  for (const task of log.tasks(jobId)) {
    const text = (channel: Channel): string => textOf(log.cat(jobId, channel, { tasks: [task.id], allowUnfinished: true }));
    result[task.id] = { instance: task.instance, finished: task.finished, stdout: text('stdout'), stderr: text('stderr') };
  }
  return result;
}

export function textOf(pieces: Iterable<Buffer>): string {
  return Buffer.concat([...pieces]).toString('latin1');
}

/** Opens, reads all of a job and closes. */
export function readAll(path: string, jobId = 1): { contents: Contents; notices: Notice[] } {
  const notices: Notice[] = [];
  const log = OutputLog.open(path, { onNotice: (notice) => notices.push(notice) });
  try {
    return { contents: contents(log, jobId), notices };
  } finally {
    log.close();
  }
}
