/**
 * The committed log files of fixtures/outputlogs: written byte for byte as before, and read as expected.json says. The Python reader is tested
 * against the same files. A new format version adds a folder; v1 must be readable for ever. HQ_UPDATE_GOLDEN=1 writes them anew.
 */
import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Channel, OutputLog } from '../../../src/outputlog/reader.ts';
import { finish, makeDir, openWriter, say, T0 } from './helpers.ts';

const GOLDEN = join(import.meta.dirname, '../../../fixtures/outputlogs/v1');

/** Two workers, a task that was run again, binary output, several records per task, an open job, a continued file. */
function writePlain(dir: string): void {
  const first = openWriter({ dir, workerId: 1 });
  const second = openWriter({ dir, workerId: 2 });
  for (let task = 1; task <= 3; task++) {
    say(first, task, `result for ${task}\n`, { timeMs: T0 + task });
    if (task !== 2) finish(first, task);
  }
  first.end({ taskId: 2, instance: 0, outcome: 'stopped', timeMs: T0 + 4 });
  say(second, 2, 'again: ', { instance: 1, timeMs: T0 + 6 });
  say(second, 2, 'warning ž\n', { instance: 1, timeMs: T0 + 7, channel: 'stderr' });
  say(second, 2, 'result for 2\n', { instance: 1, timeMs: T0 + 8 });
  second.end({ taskId: 2, instance: 1, outcome: 'failed', timeMs: T0 + 9 });
  const binary = Buffer.from(Array.from({ length: 700 }, (_, i) => (i * 31) & 0xff));
  second.append({ taskId: 4_000_000_000, instance: 0, channel: 'stdout', timeMs: T0 + 10, data: binary });
  second.append({ taskId: 4_000_000_000, instance: 0, channel: 'stderr', timeMs: T0 + 10, data: Buffer.from('f54851faf54851', 'hex') });
  second.end({ taskId: 4_000_000_000, instance: 0, outcome: 'canceled', timeMs: T0 + 11 });
  second.end({ taskId: 5, instance: 0, outcome: 'finished', timeMs: T0 + 12 });
  first.close();
  second.close();
  const continued = openWriter({ dir, workerId: 1 });
  say(continued, 6, 'after the footer\n', { timeMs: T0 + 13 });
  finish(continued, 6);
  continued.close();
  const open = openWriter({ dir, jobId: 12 });
  say(open, 1, 'still running\n');
  open.flush();
}

/** The same log with one payload, one header and the index damaged and the last record cut off. */
function writeDamaged(dir: string): void {
  const writer = openWriter({ dir, jobId: 7 });
  for (let task = 1; task <= 8; task++) {
    say(writer, task, `line of task ${task}\n`);
    finish(writer, task);
  }
  writer.close();
  const bytes = readFileSync(writer.path);
  bytes[bytes.indexOf('line of task 3')] = 0;
  bytes[bytes.indexOf('line of task 5') - 20] = 0xee;
  writeFileSync(writer.path, bytes);
  truncateSync(writer.path, bytes.length - 50);
}

function writeServers(dir: string): void {
  for (const serverUid of ['first', 'second']) {
    const writer = openWriter({ dir, serverUid });
    say(writer, 1, `from ${serverUid}\n`);
    finish(writer, 1);
    writer.close();
  }
}

/** What a reader must find, in the words of both readers. */
function describe(path: string, serverUid?: string): unknown {
  const notices: string[] = [];
  const log = OutputLog.open(path, { serverUid, onNotice: (notice) => notices.push(notice.kind) });
  const base64 = (jobId: number, id: number, channel: Channel): string =>
    Buffer.concat([...log.cat(jobId, channel, { tasks: [id], allowUnfinished: true })]).toString('base64');
  const jobs = Object.fromEntries(
    log.jobs().map((jobId) => [
      jobId,
      log.tasks(jobId).map((task) => {
        const { id, instance, finished, outcome = null } = task;
        return { id, instance, finished, outcome, stdout: base64(jobId, id, 'stdout'), stderr: base64(jobId, id, 'stderr') };
      }),
    ]),
  );
  const result = { summary: log.summary(), jobs, notices };
  log.close();
  return result;
}

function expected(dir: string): unknown {
  return {
    plain: describe(join(dir, 'plain')),
    damaged: describe(join(dir, 'damaged')),
    first: describe(join(dir, 'servers'), 'first'),
    second: describe(join(dir, 'servers'), 'second'),
  };
}

test('written byte for byte as before, and read as before', () => {
  const dir = makeDir();
  writePlain(join(dir, 'plain'));
  writeDamaged(join(dir, 'damaged'));
  writeServers(join(dir, 'servers'));
  writeFileSync(join(dir, 'expected.json'), `${JSON.stringify(expected(dir), null, 1)}\n`);
  if (process.env.HQ_UPDATE_GOLDEN === '1') {
    rmSync(GOLDEN, { recursive: true, force: true });
    cpSync(dir, GOLDEN, { recursive: true });
  }
  const files = readdirSync(GOLDEN, { recursive: true, encoding: 'utf8' }).sort();
  expect(readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort()).toEqual(files);
  for (const name of files.filter((file) => file.includes('.'))) {
    expect({ name, hex: readFileSync(join(dir, name), 'hex') }).toEqual({ name, hex: readFileSync(join(GOLDEN, name), 'hex') });
  }
  expect(expected(GOLDEN)).toEqual(JSON.parse(readFileSync(join(GOLDEN, 'expected.json'), 'utf8')));
});
