import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type FollowOptions, followOutputLog } from '../../../src/outputlog/follow.ts';
import { finish, makeDir, openWriter, say, T0 } from './helpers.ts';

/** Follows while `steps` happen between the looks, one each; ends after the last. @returns what came, with `|` between the looks */
async function followed(path: string, steps: (() => void)[], options: FollowOptions = {}): Promise<{ text: string; notices: string[] }> {
  const left = [...steps];
  const notices: string[] = [];
  let text = '';
  const wait = async (): Promise<void> => {
    text += '|';
    left.shift()?.();
  };
  const events = followOutputLog(path, {
    wait,
    isDone: () => left.length === 0,
    onNotice: (notice) => notices.push(notice.kind),
    ...options,
  });
  for await (const event of events) {
    text += event.kind === 'data' ? event.data.toString() : `(${event.taskId} ${event.outcome})`;
  }
  return { text, notices };
}

describe('follow', () => {
  test('what is there, what is added, what new files bring', async () => {
    const dir = makeDir();
    const first = openWriter({ dir });
    say(first, 1, 'a');
    first.flush();
    const steps = [
      (): void => {
        say(first, 1, 'b');
        first.flush();
      },
      (): void => {
        const second = openWriter({ dir, workerId: 2 });
        say(second, 2, 'c');
        second.close();
      },
      (): void => {
        finish(first, 1);
        first.close();
      },
    ];
    expect(await followed(join(dir, 'job-1.log'), steps)).toEqual({ text: 'a|b|c|(1 finished)', notices: [] });
  });

  test('a record that arrives byte by byte comes once and whole', async () => {
    const source = openWriter({ dir: makeDir() });
    const begun = readFileSync(source.path).length;
    say(source, 1, 'first ');
    say(source, 1, 'second');
    source.close();
    const bytes = readFileSync(source.path);
    const path = join(makeDir(), 'job-1.log');
    const sizes = Array.from({ length: bytes.length - begun }, (_, i) => begun + i + 1);
    const steps = sizes.map((size) => () => writeFileSync(path, bytes.subarray(0, size)));
    writeFileSync(path, bytes.subarray(0, begun));
    const { text, notices } = await followed(path, steps);
    expect(text.replaceAll('|', '')).toBe('first second');
    expect(notices).toEqual([]);
  });

  test('a directory, a file and a first writer that do not exist yet', async () => {
    for (const name of ['logs', 'logs/job-1.log']) {
      const dir = makeDir();
      const steps = [
        (): void => {},
        (): void => {
          openWriter({ dir: join(dir, 'logs') });
        },
        (): void => {
          const writer = openWriter({ dir: join(dir, 'logs'), workerId: 2 });
          say(writer, 1, 'x');
          writer.close();
        },
      ];
      expect((await followed(join(dir, name), steps)).text).toBe('|||x');
    }
  });

  test('filters; an instance that was superseded is left out', async () => {
    const dir = makeDir();
    const first = openWriter({ dir });
    const second = openWriter({ dir, workerId: 2 });
    const other = openWriter({ dir, jobId: 2 });
    say(second, 1, 'new', { instance: 1 });
    say(second, 1, 'err', { instance: 1, channel: 'stderr' });
    say(second, 2, 'two');
    say(other, 1, 'job two');
    second.flush();
    other.flush();
    const late = (): void => {
      say(first, 1, 'old', { instance: 0 });
      first.flush();
    };
    expect((await followed(dir, [late], { jobId: 1 })).text).toBe('newerrtwo|');
    expect((await followed(dir, [], { channel: 'stderr' })).text).toBe('err');
    expect((await followed(dir, [], { tasks: new Set([2]) })).text).toBe('two');
  });

  test('damage near the end is given time to heal, then left out', async () => {
    const writer = openWriter({ dir: makeDir() });
    for (const [task, text] of ['a', 'B', 'c', 'D', 'e'].entries()) say(writer, task, text.repeat(30));
    writer.close();
    const intact = readFileSync(writer.path);
    const broken = Buffer.from(intact);
    broken[broken.indexOf('BBB')] = 0;
    broken[broken.indexOf('DDD') - 30] = 0xee;
    writeFileSync(writer.path, broken);
    const short = (text: string): string => text.replace(/(.)\1{29}/g, '$1');
    const heals = await followed(writer.path, [() => {}, () => writeFileSync(writer.path, intact), () => {}]);
    expect([short(heals.text), heals.notices]).toEqual(['a||BcDe|', []]);
    writeFileSync(writer.path, broken);
    const stays = await followed(
      writer.path,
      Array.from({ length: 10 }, () => () => {}),
    );
    expect([short(stays.text), stays.notices]).toEqual(['a||||c||||e||', ['damaged', 'damaged']]);
    const atOnce = await followed(writer.path, []);
    expect([short(atOnce.text), atOnce.notices]).toEqual(['ace', ['damaged', 'damaged']]);
  });

  test('ends when aborted, also while it waits', async () => {
    const dir = makeDir();
    const writer = openWriter({ dir });
    say(writer, 1, 'a');
    say(writer, 1, 'b');
    writer.flush();
    const stop = new AbortController();
    const seen: string[] = [];
    for await (const event of followOutputLog(dir, { signal: stop.signal })) {
      seen.push(event.kind);
      stop.abort();
    }
    expect(seen).toEqual(['data']);
    const later = new AbortController();
    const waiting = followOutputLog(dir, { signal: later.signal });
    await waiting.next();
    await waiting.next();
    const last = waiting.next();
    later.abort();
    expect(await last).toEqual({ done: true, value: undefined });
  });

  test('several servers are an error, a cut end is told when it is over', async () => {
    const dir = makeDir();
    const writer = openWriter({ dir });
    say(writer, 1, 'abc', { timeMs: T0 });
    writer.flush();
    writeFileSync(join(dir, 'job-1.log'), readFileSync(writer.path).subarray(0, -1));
    expect(await followed(dir, [])).toEqual({ text: '', notices: ['cut'] });
    openWriter({ dir, serverUid: 'other' });
    await expect(followed(dir, [])).rejects.toThrow('several servers (Wi1AgQ, other)');
    await expect(followed(dir, [], { serverUid: 'nobody' })).resolves.toEqual({ text: '', notices: [] });
  });
});
