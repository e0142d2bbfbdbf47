import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { WriteAt } from '../../../src/outputlog/fileTail.ts';
import { OutputLog } from '../../../src/outputlog/reader.ts';
import { LogWriteError } from '../../../src/outputlog/writeError.ts';
import { finish, makeDir, openWriter, readAll, say, T0, textOf } from './helpers.ts';

function thrown(action: () => unknown): LogWriteError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(LogWriteError);
    return error as LogWriteError;
  }
  throw new Error('nothing was thrown');
}

describe('file names', () => {
  test('the first writer of a job takes job-N.log, the others add their worker', () => {
    const dir = join(makeDir(), 'made', 'on', 'demand');
    openWriter({ dir, jobId: 3, workerId: 5 });
    openWriter({ dir, jobId: 3, workerId: 6 });
    openWriter({ dir, jobId: 4, workerId: 6 });
    expect(readdirSync(dir).sort()).toEqual(['job-3.log', 'job-3.log.w6', 'job-4.log']);
  });

  test('a log of another server is left alone', () => {
    const dir = makeDir();
    const foreign = openWriter({ dir, serverUid: 'other' });
    foreign.close();
    const before = readFileSync(foreign.path);
    for (const workerId of [1, 2, 3]) openWriter({ dir, serverUid: 'mine', workerId }).close();
    expect(readdirSync(dir).sort()).toEqual(['job-1-mine.log', 'job-1-mine.log.w2', 'job-1-mine.log.w3', 'job-1.log']);
    expect(readFileSync(foreign.path)).toEqual(before);
  });

  test('an unreadable file in the place gets a name that says server and worker', () => {
    const dir = makeDir();
    writeFileSync(join(dir, 'job-1.log'), '');
    mkdirSync(join(dir, 'job-2.log'));
    symlinkSync('/etc/hostname', join(dir, 'job-3.log'));
    execFileSync('mkfifo', [join(dir, 'job-4.log')]);
    for (const jobId of [1, 2, 3, 4]) openWriter({ dir, jobId, serverUid: 'a/b' });
    expect(readdirSync(dir).filter((name) => name.includes('a_b'))).toHaveLength(4);
    expect(readdirSync(dir)).toContain('job-1-a_b.log.w1');
  });

  test('a new worker process makes a new file, even with the worker id of an old one', () => {
    const dir = makeDir();
    for (const session of ['a', 'b', 'c', 'd']) openWriter({ dir, workerId: 7, session }).close();
    expect(readdirSync(dir).sort()).toEqual(['job-1.log', 'job-1.log.w7', 'job-1.log.w7.2', 'job-1.log.w7.3']);
  });

  test('one process does not open its file twice', () => {
    const dir = makeDir();
    openWriter({ dir });
    expect(thrown(() => openWriter({ dir })).message).toContain('open already');
  });
});

describe('continuing a file', () => {
  test('the same worker process goes on in its file, several times', () => {
    const dir = makeDir();
    for (let round = 1; round <= 4; round++) {
      const writer = openWriter({ dir });
      say(writer, round, `round ${round}`);
      finish(writer, round);
      writer.close();
    }
    expect(readdirSync(dir)).toEqual(['job-1.log']);
    const { contents, notices } = readAll(dir);
    expect(Object.values(contents).map((task) => task.stdout)).toEqual(['round 1', 'round 2', 'round 3', 'round 4']);
    expect(notices).toEqual([]);
  });

  test('a record that was cut off when the file was given up does not swallow the next ones', () => {
    for (const cut of [10, 36, 37, 60, 70]) {
      const dir = makeDir();
      const first = openWriter({ dir }, shortWrites(cut));
      say(first, 1, 'x'.repeat(1000));
      thrown(() => first.flush());
      first.abandon();
      const second = openWriter({ dir });
      say(second, 2, 'after');
      finish(second, 2);
      second.close();
      const { contents, notices } = readAll(dir);
      expect(contents[2]).toEqual({ instance: 0, finished: true, stdout: 'after', stderr: '' });
      expect(contents[1]?.stdout ?? '').toBe('');
      expect(notices.map((notice) => notice.kind)).toEqual(['damaged']);
    }
  });
});

describe('a full disk', () => {
  test('nothing is lost when space comes back after a write that stopped anywhere', () => {
    for (let room = 0; room < 300; room += 7) {
      const dir = makeDir();
      const disk = { room: Infinity };
      const writer = openWriter({ dir }, limited(disk));
      disk.room = room;
      for (let task = 1; task <= 5; task++) {
        say(writer, task, `output of ${task}`);
        finish(writer, task);
      }
      const error = thrown(() => writer.flush());
      expect(error.message).toContain(writer.path);
      expect((error.cause as NodeJS.ErrnoException).code).toBe('ENOSPC');
      expect(() => readAll(dir)).not.toThrow();
      disk.room = 20;
      say(writer, 6, 'more');
      finish(writer, 6);
      thrown(() => writer.close());
      disk.room = Infinity;
      writer.close();
      const { contents, notices } = readAll(dir);
      expect(Object.values(contents).map((task) => task.stdout)).toEqual([1, 2, 3, 4, 5].map((n) => `output of ${n}`).concat('more'));
      expect(notices).toEqual([]);
    }
  });

  test('memory is bounded: with 1 MiB pending, a record is refused and not half taken', () => {
    const dir = makeDir();
    const disk = { room: Infinity };
    const writer = openWriter({ dir }, limited(disk));
    disk.room = 0;
    const data = 'y'.repeat(100_000);
    let taken = 0;
    const error = thrown(() => {
      for (;;) {
        say(writer, 1, data);
        taken++;
      }
    });
    expect(error.takenBytes).toBe(0);
    expect(writer.pendingBytes).toBeLessThan(1_200_000);
    disk.room = Infinity;
    finish(writer, 1);
    writer.close();
    expect(readAll(dir).contents[1]?.stdout).toBe(data.repeat(taken));
  });

  test('a file that cannot be begun is removed', () => {
    const dir = makeDir();
    expect(thrown(() => openWriter({ dir }, limited({ room: 20 }))).message).toContain('job-1.log: ENOSPC');
    expect(readdirSync(dir)).toEqual([]);
  });

  test.runIf(process.getuid?.() === 0 && canMount())('a real one', () => {
    const dir = makeDir();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', dir]);
    try {
      const filler = join(dir, 'filler');
      writeFileSync(filler, Buffer.alloc(64 * 1024));
      const writer = openWriter({ dir });
      let tasks = 0;
      const error = thrown(() => {
        for (; tasks < 1000; tasks++) {
          say(writer, tasks, 'z'.repeat(500));
          finish(writer, tasks);
          writer.flush();
        }
      });
      expect((error.cause as NodeJS.ErrnoException).code).toBe('ENOSPC');
      thrown(() => writer.close());
      unlinkSync(filler);
      writer.close();
      const { contents, notices } = readAll(dir);
      expect(Object.keys(contents)).toHaveLength(tasks + 1);
      expect(new Set(Object.values(contents).map((task) => task.stdout.length))).toEqual(new Set([500]));
      expect(notices).toEqual([]);
    } finally {
      execFileSync('umount', [dir]);
    }
  });
});

describe('records', () => {
  test('long data is cut into records, empty data makes none', () => {
    const dir = makeDir();
    const writer = openWriter({ dir });
    const data = 'abc'.repeat(100_000);
    say(writer, 1, data);
    say(writer, 1, '');
    finish(writer, 1);
    writer.close();
    const log = OutputLog.open(dir);
    const pieces = [...log.cat(1, 'stdout')];
    log.close();
    expect(pieces.map((piece) => piece.length)).toEqual([65_536, 65_536, 65_536, 65_536, 37_856]);
    expect(textOf(pieces)).toBe(data);
  });

  test('a flush is one write, however many tasks it is about', () => {
    const dir = makeDir();
    let writes = 0;
    const writer = openWriter({ dir }, (...args) => {
      writes++;
      return writeSync(...args);
    });
    writes = 0;
    for (let task = 0; task < 500; task++) {
      say(writer, task, 'hello\n');
      finish(writer, task);
    }
    writer.flush();
    writer.flush();
    expect(writes).toBe(1);
  });

  test('a range of a file is copied, also one larger than the memory for it', () => {
    const dir = makeDir();
    const spool = join(makeDir(), 'spool');
    const data = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => i % 251));
    writeFileSync(spool, data);
    const fd = openSync(spool, 'r');
    const writer = openWriter({ dir });
    const range = { taskId: 9, instance: 0, channel: 'stderr', timeMs: T0, fd } as const;
    expect(writer.appendRange({ ...range, start: 100, end: 2_500_000 })).toBe(2_499_900);
    expect(writer.pendingBytes).toBeLessThan(1_200_000);
    expect(writer.appendRange({ ...range, start: 2_500_000, end: 9_999_999 })).toBe(500_000);
    closeSync(fd);
    expect(thrown(() => writer.appendRange({ ...range, start: 0, end: 1 })).takenBytes).toBe(0);
    finish(writer, 9);
    writer.close();
    expect(readAll(dir).contents[9]?.stderr).toBe(data.subarray(100).toString('latin1'));
  });

  test('a range that meets a full disk says how far it came', () => {
    const dir = makeDir();
    const spool = join(makeDir(), 'spool');
    writeFileSync(spool, Buffer.alloc(4_000_000, 'q'));
    const fd = openSync(spool, 'r');
    const disk = { room: Infinity };
    const writer = openWriter({ dir }, limited(disk));
    disk.room = 500_000;
    const range = { taskId: 1, instance: 0, channel: 'stdout', timeMs: T0, fd, end: 4_000_000 } as const;
    const { takenBytes } = thrown(() => writer.appendRange({ ...range, start: 0 }));
    expect(takenBytes).toBeGreaterThan(500_000);
    disk.room = Infinity;
    writer.appendRange({ ...range, start: takenBytes });
    closeSync(fd);
    finish(writer, 1);
    writer.close();
    const { contents, notices } = readAll(dir);
    expect(contents[1]?.stdout).toBe('q'.repeat(4_000_000));
    expect(notices).toEqual([]);
  });

  test('two instances of one task at a time keep their own sizes', () => {
    const dir = makeDir();
    const writer = openWriter({ dir });
    say(writer, 1, 'old', { instance: 0 });
    say(writer, 1, 'newer', { instance: 1 });
    say(writer, 1, ' one', { instance: 0 });
    finish(writer, 1, 0);
    finish(writer, 1, 1);
    finish(writer, 1, 1);
    writer.close();
    const { contents, notices } = readAll(dir);
    expect(contents[1]).toEqual({ instance: 1, finished: true, stdout: 'newer', stderr: '' });
    expect(notices).toEqual([]);
  });

  test('a closed writer takes nothing', () => {
    const writer = openWriter({ dir: makeDir() });
    writer.close();
    writer.close();
    expect(thrown(() => say(writer, 1, 'x')).message).toContain('it is closed');
    expect(thrown(() => writer.flush()).message).toContain('it is closed');
  });

  test('many records: the index is written in parts and read back', () => {
    const dir = makeDir();
    const writer = openWriter({ dir });
    for (let task = 0; task < 20_000; task++) {
      say(writer, task, `${task}\n`);
      finish(writer, task);
    }
    writer.close();
    const log = OutputLog.open(dir);
    expect(log.summary()).toMatchObject({ n_tasks: 20_000, n_opened: 0, stdout_size: 108_890 });
    expect(textOf(log.cat(1, 'stdout', { tasks: [19_999, 0, 777] }))).toBe('19999\n0\n777\n');
    log.close();
    expect(statSync(join(dir, 'job-1.log')).size).toBeLessThan(20_000 * 160);
  });
});

/** The disk takes `room` more bytes. */
function limited(disk: { room: number }): WriteAt {
  return (fd, buffer, from, length, position) => {
    if (disk.room === 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const some = Math.min(length, disk.room);
    disk.room -= some;
    return writeSync(fd, buffer, from, some, position);
  };
}

/** The first write (the file's beginning) succeeds, the second takes `bytes`, the others fail. */
function shortWrites(bytes: number): WriteAt {
  const disk = { room: Infinity };
  const write = limited(disk);
  return (...args) => {
    const written = write(...args);
    if (disk.room === Infinity) disk.room = bytes;
    return written;
  };
}

function canMount(): boolean {
  const dir = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', dir], { stdio: 'ignore' });
    execFileSync('umount', [dir]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
