import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Notice, type OpenLogOptions, OutputLog } from '../../../src/outputlog/reader.ts';
import { finish, makeDir, openWriter, say, T0, textOf } from './helpers.ts';

function withLog<T>(path: string, use: (log: OutputLog, notices: Notice[]) => T, options: OpenLogOptions = {}): T {
  const notices: Notice[] = [];
  const log = OutputLog.open(path, { onNotice: (notice) => notices.push(notice), ...options });
  try {
    return use(log, notices);
  } finally {
    log.close();
  }
}

/** Job 1 on two workers (task 2 was run again on the second), job 2 unfinished and still open. */
function twoJobs(): string {
  const dir = makeDir();
  const first = openWriter({ dir, workerId: 1 });
  const second = openWriter({ dir, workerId: 2 });
  say(first, 1, 'one\n', { timeMs: T0 });
  say(first, 2, 'lost\n', { timeMs: T0 + 1 });
  say(first, 2, 'lost too\n', { timeMs: T0 + 2, channel: 'stderr' });
  first.end({ taskId: 2, instance: 0, outcome: 'stopped', timeMs: T0 + 3 });
  say(second, 2, 'two\n', { timeMs: T0 + 4, instance: 1 });
  say(first, 1, 'one again\n', { timeMs: T0 + 5 });
  say(second, 2, 'bad\n', { timeMs: T0 + 6, instance: 1, channel: 'stderr' });
  second.end({ taskId: 2, instance: 1, outcome: 'failed', timeMs: T0 + 7 });
  finish(first, 1);
  first.close();
  second.close();
  const third = openWriter({ dir, jobId: 2 });
  say(third, 10, 'working', { timeMs: T0 + 2 });
  third.flush();
  return dir;
}

describe('a directory', () => {
  test('summary and jobs', () => {
    withLog(twoJobs(), (log) => {
      expect(log.jobs()).toEqual([1, 2]);
      expect(log.impliedJob).toBeUndefined();
      expect(log.serverUid).toBe('Wi1AgQ');
      expect(log.summary()).toEqual({
        n_files: 3,
        n_jobs: 2,
        n_tasks: 3,
        n_streams: 4,
        n_opened: 1,
        stdout_size: 25,
        stderr_size: 4,
        n_superseded: 1,
        superseded_stdout_size: 5,
        superseded_stderr_size: 9,
      });
    });
  });

  test('tasks: the highest instance wins', () => {
    withLog(twoJobs(), (log) => {
      expect(log.tasks(1).map((task) => task.id)).toEqual([1, 2]);
      expect(log.task(1, 2)).toEqual({
        id: 2,
        instance: 1,
        finished: true,
        outcome: 'failed',
        endedMs: T0 + 7,
        stdoutBytes: 4,
        stderrBytes: 4,
        superseded: { instances: 1, stdoutBytes: 5, stderrBytes: 9 },
      });
      expect(log.task(2, 10)).toMatchObject({ finished: false, outcome: undefined, endedMs: undefined, stdoutBytes: 7 });
    });
  });

  test('cat: by id, or in the order typed', () => {
    withLog(twoJobs(), (log, notices) => {
      expect(textOf(log.cat(1, 'stdout'))).toBe('one\none again\ntwo\n');
      expect(textOf(log.cat(1, 'stdout', { tasks: [2, 1] }))).toBe('two\none\none again\n');
      expect(textOf(log.cat(1, 'stderr'))).toBe('bad\n');
      expect(() => textOf(log.cat(2, 'stdout'))).toThrow('Stream for task 10 is not finished');
      expect(textOf(log.cat(2, 'stdout', { allowUnfinished: true }))).toBe('working');
      expect(() => textOf(log.cat(3, 'stdout'))).toThrow('Job 3 not found');
      expect(() => textOf(log.cat(1, 'stdout', { tasks: [1, 5] }))).toThrow('Task 5 not found');
      expect(() => log.task(1, 5)).toThrow('Task 5 not found');
      expect(notices).toEqual([]);
    });
  });

  test('show: by time, over jobs and workers', () => {
    withLog(twoJobs(), (log) => {
      const shown = (options = {}): string[] =>
        [...log.show(options)].map(
          (chunk) => `${chunk.jobId}.${chunk.taskId}:${chunk.channel} +${chunk.timeMs - T0} ${chunk.data.toString().trim()}`,
        );
      expect(shown()).toEqual([
        '1.1:stdout +0 one',
        '2.10:stdout +2 working',
        '1.2:stdout +4 two',
        '1.1:stdout +5 one again',
        '1.2:stderr +6 bad',
      ]);
      expect(shown({ channel: 'stderr' })).toEqual(['1.2:stderr +6 bad']);
      expect(shown({ jobId: 1, tasks: new Set([1]) })).toEqual(['1.1:stdout +0 one', '1.1:stdout +5 one again']);
      expect(() => shown({ jobId: 9 })).toThrow('Job 9 not found');
    });
  });

  test('export: stdout with bytes that are no text replaced', () => {
    const dir = twoJobs();
    const writer = openWriter({ dir, jobId: 3 });
    writer.append({ taskId: 1, instance: 0, channel: 'stdout', timeMs: T0, data: Buffer.from([0x61, 0xff, 0x62]) });
    writer.close();
    withLog(dir, (log) => {
      expect([...log.export(1, { tasks: [2] })]).toEqual([{ id: 2, finished: true, stdout: 'two\n' }]);
      expect([...log.export(3)]).toEqual([{ id: 1, finished: false, stdout: 'a\ufffdb' }]);
      expect(() => [...log.export(1, { tasks: [9] })]).toThrow('Task 9 not found');
    });
  });

  test('files that are no logs are skipped with a line, others do not matter', () => {
    const dir = twoJobs();
    writeFileSync(join(dir, 'job-7.log'), 'plain text');
    writeFileSync(join(dir, 'job-8.log'), '');
    writeFileSync(join(dir, 'job-9.log'), Buffer.from([0x89, 0x48, 0x51, 0x4c, 0x4f, 0x47, 0x0a, 9]));
    mkdirSync(join(dir, 'job-6.log'));
    writeFileSync(join(dir, 'notes.txt'), 'plain text');
    withLog(dir, (log, notices) => {
      expect(log.jobs()).toEqual([1, 2]);
      expect(notices.map((notice) => notice.text.replace(dir, 'DIR'))).toEqual([
        'DIR/job-6.log: skipped, it is not a regular file',
        'DIR/job-7.log: skipped, it is not an output log',
        'DIR/job-8.log: skipped, its beginning has not been written',
        'DIR/job-9.log: skipped, it was written by a newer version of hq',
      ]);
    });
  });

  test('no logs, no directory', () => {
    const dir = makeDir();
    expect(() => OutputLog.open(dir)).toThrow(`No log files found in ${dir}`);
    expect(() => OutputLog.open(join(dir, 'absent'))).toThrow('no such file or directory');
  });

  test('more files than descriptors: all are read', () => {
    const dir = makeDir();
    for (let workerId = 1; workerId <= 150; workerId++) {
      const writer = openWriter({ dir, workerId });
      say(writer, workerId, `w${workerId} `, { timeMs: T0 + workerId });
      finish(writer, workerId);
      writer.close();
    }
    withLog(dir, (log) => {
      expect(log.summary()).toMatchObject({ n_files: 150, n_tasks: 150 });
      expect([...log.show()].map((chunk) => chunk.taskId)).toEqual(Array.from({ length: 150 }, (_, i) => i + 1));
    });
  });
});

describe('several servers', () => {
  function twoServers(): string {
    const dir = makeDir();
    for (const serverUid of ['bbb', 'aaa']) {
      for (const workerId of [1, 2]) {
        const writer = openWriter({ dir, serverUid, workerId });
        say(writer, workerId, `${serverUid}${workerId} `);
        finish(writer, workerId);
        writer.close();
      }
    }
    return dir;
  }

  test('must be told apart', () => {
    const dir = twoServers();
    expect(() => OutputLog.open(dir)).toThrow('holds logs of several servers (aaa, bbb); choose one with --server-uid=UID');
    expect(() => OutputLog.open(dir, { serverUid: 'ccc' })).toThrow('No log files of server ccc found');
    withLog(dir, (log) => expect(textOf(log.cat(1, 'stdout'))).toBe('aaa1 aaa2 '), { serverUid: 'aaa' });
  });

  test('a named file chooses, --server-uid wins', () => {
    const dir = twoServers();
    const cat = (name: string, serverUid?: string): string =>
      withLog(join(dir, name), (log) => textOf(log.cat(log.impliedJob ?? 0, 'stdout')), { serverUid });
    expect(cat('job-1.log')).toBe('bbb1 bbb2 ');
    expect(cat('job-1-aaa.log')).toBe('aaa1 aaa2 ');
    expect(cat('job-1.log', 'aaa')).toBe('aaa1 aaa2 ');
    expect(cat('job-1-aaa.log.w2')).toBe('aaa2 ');
  });
});

describe('one file', () => {
  test('stands for all workers of its job', () => {
    const dir = twoJobs();
    withLog(join(dir, 'job-1.log'), (log) => {
      expect(log.impliedJob).toBe(1);
      expect(log.jobs()).toEqual([1]);
      expect(log.nFiles).toBe(2);
      expect(textOf(log.cat(1, 'stdout'))).toBe('one\none again\ntwo\n');
    });
    withLog(dir, (log) => expect(log.jobs()).toEqual([2]), { jobId: 2 });
  });

  test('may have any name, but must be a log', () => {
    const dir = twoJobs();
    const copy = join(makeDir(), 'saved');
    copyFileSync(join(dir, 'job-2.log'), copy);
    withLog(copy, (log) => expect(textOf(log.cat(2, 'stdout', { allowUnfinished: true }))).toBe('working'));
    writeFileSync(copy, 'something else');
    expect(() => OutputLog.open(copy)).toThrow(`${copy} cannot be read as an output log: it is not an output log`);
  });
});
