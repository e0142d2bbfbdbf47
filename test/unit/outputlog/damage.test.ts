import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { OutputLog } from '../../../src/outputlog/reader.ts';
import { finish, makeDir, openWriter, readAll, say, T0, textOf } from './helpers.ts';

/** A thousand logs are written and read: seconds, or a minute where others use the machine. */
const MANY_LOGS_MS = 120_000;

/** Five tasks with one record each; `closed` with the index. */
function fiveTasks(closed: boolean): string {
  const writer = openWriter({ dir: makeDir() });
  for (let task = 1; task <= 5; task++) {
    say(writer, task, `output of task ${task}\n`);
    finish(writer, task);
  }
  writer.flush();
  if (closed) writer.close();
  return writer.path;
}

describe.each([false, true])('a log with footer: %s', (closed) => {
  test(
    'a flipped byte anywhere costs at most the record that it is in',
    () => {
      const path = fiveTasks(closed);
      const intact = readFileSync(path);
      for (let at = 0; at < intact.length; at++) {
        const bytes = Buffer.from(intact);
        bytes[at] = (bytes[at] as number) ^ 0x41;
        writeFileSync(path, bytes);
        const { contents } = readAll(path);
        let lost = 0;
        for (let task = 1; task <= 5; task++) {
          if (contents[task]?.stdout !== `output of task ${task}\n`) {
            expect(contents[task]?.stdout ?? '').toBe('');
            lost++;
          }
          if (!contents[task]?.finished) lost++;
        }
        expect(lost).toBeLessThanOrEqual(1);
      }
    },
    MANY_LOGS_MS,
  );

  test(
    'cut anywhere: everything before is there',
    () => {
      const path = fiveTasks(closed);
      for (let size = readFileSync(path).length - 1; size > 400; size--) {
        truncateSync(path, size);
        const { contents } = readAll(path);
        const complete = Object.values(contents).filter((task) => task.stdout !== '').length;
        // A task takes 58 bytes of data record and 52 of end record, the beginning 8 + 2 * 121.
        expect(complete).toBeGreaterThanOrEqual(Math.min(5, Math.floor((size - 320) / 110)));
      }
    },
    MANY_LOGS_MS,
  );
});

test('the line names file and offset', () => {
  const path = fiveTasks(false);
  const bytes = readFileSync(path);
  const at = bytes.indexOf('output of task 3');
  bytes[at] = 0;
  bytes[bytes.indexOf('output of task 5') - 10] = 0xee;
  writeFileSync(path, bytes.subarray(0, -1));
  const texts = readAll(path).notices.map((notice) => notice.text.replace(path, 'LOG'));
  expect(texts).toMatchInlineSnapshot(`
    [
      "LOG: 53 bytes at offset 710 are damaged and left out",
      "LOG: the record at offset 763 is incomplete (51 bytes so far); the log is being written or was cut off",
      "LOG: 53 bytes at offset 500 are damaged and left out",
      "LOG: task 3 lacks 17 bytes of its output (end record at offset 553)",
    ]
  `);
});

test('a log printed into a log stays what it is, even when the outer record is damaged', () => {
  const inner = readFileSync(fiveTasks(true));
  const writer = openWriter({ dir: makeDir() });
  writer.append({ taskId: 77, instance: 0, channel: 'stdout', timeMs: T0, data: inner });
  finish(writer, 77);
  writer.flush();
  expect(readAll(writer.path).contents[77]?.stdout).toBe(inner.toString('latin1'));
  const bytes = readFileSync(writer.path);
  bytes[bytes.indexOf(inner) - 20] = 0xee;
  writeFileSync(writer.path, bytes);
  const { contents, notices } = readAll(writer.path);
  expect(Object.keys(contents)).toEqual(['77']);
  expect(contents[77]).toMatchObject({ finished: true, stdout: '' });
  expect(notices.map((notice) => notice.kind)).toEqual(['damaged', 'incomplete']);
});

test('rubbish, zeros and markers in between are stepped over', () => {
  const dir = makeDir();
  const first = openWriter({ dir });
  say(first, 1, 'one');
  finish(first, 1);
  first.close();
  appendFileSync(first.path, Buffer.concat([Buffer.alloc(300_000), Buffer.from('f54851faf54851f5', 'hex'), Buffer.alloc(50, 0xf5)]));
  const second = openWriter({ dir });
  say(second, 2, 'two');
  finish(second, 2);
  second.close();
  const { contents, notices } = readAll(dir);
  expect(Object.values(contents).map((task) => task.stdout)).toEqual(['one', 'two']);
  expect(notices).toMatchObject([{ kind: 'damaged', bytes: 300_058 }]);
});

test('verify reads everything, also what an index describes', () => {
  const path = fiveTasks(true);
  const check = (): string[] => {
    const log = OutputLog.open(path);
    const found = log.verify().map((notice) => `${notice.kind} ${notice.offset}`);
    log.close();
    return found;
  };
  expect(check()).toEqual([]);
  const bytes = readFileSync(path);
  const at = bytes.indexOf('output of task 2');
  bytes[at + 3] = 0;
  bytes[0] = 0;
  writeFileSync(path, bytes);
  expect(check()).toEqual(['damaged 0', `damaged ${at - 36}`]);
});

test('an unreadable beginning makes the file no log, and only that file', () => {
  const dir = makeDir();
  for (const workerId of [1, 2]) {
    const writer = openWriter({ dir, workerId });
    say(writer, workerId, `w${workerId}`);
    finish(writer, workerId);
    writer.close();
  }
  const path = join(dir, 'job-1.log');
  writeFileSync(path, Buffer.concat([Buffer.alloc(300), readFileSync(path).subarray(300)]));
  const notices: string[] = [];
  const log = OutputLog.open(dir, { onNotice: (notice) => notices.push(notice.text) });
  expect(textOf(log.cat(1, 'stdout'))).toBe('w2');
  expect(notices).toEqual([`${path}: skipped, it is not an output log`]);
  log.close();
});
