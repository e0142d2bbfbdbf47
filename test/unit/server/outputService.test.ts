/** What a task has printed, out of files and consolidated logs written here, with a task whose state the test changes. */
import { appendFileSync, constants, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { TaskDetail } from '../../../src/protocol/schema/task.ts';
import { OutputService } from '../../../src/server/outputService.ts';
import { job, task } from '../../helpers/cliFacade.ts';
import { finish, makeDir, openWriter, say } from '../outputlog/helpers.ts';

let dir: string;
let now: TaskDetail;
let service: OutputService;
let stop: AbortController;

beforeEach(() => {
  dir = makeDir();
  stop = new AbortController();
  now = task(1, 0, { state: 'running', stdout: join(dir, 'out'), stderr: join(dir, 'err') });
  service = new OutputService({
    serverUid: 'Wi1AgQ',
    queries: {
      taskDetail: async () => now,
      jobDetail: async () => {
        const detail = job(1, { stats: { running: 0, finished: 1, failed: 0, canceled: 0, aborted: 0, waiting: 0 } });
        return { ...detail, submits: detail.submits.map((submit) => ({ ...submit, stream: now.stdout === '<stream>' ? dir : null })) };
      },
    },
    stateOf: () => `${now.state} ${now.instance}`,
  });
});
afterEach(async () => {
  stop.abort();
  await service.close();
  await vi.waitFor(() => expect(openBelow(dir)).toEqual([]));
});

/** Files below a directory that this process reads; the writers of the logs are here, too. */
function openBelow(root: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      const flags = Number.parseInt(/^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0', 8);
      return path.startsWith(root) && (flags & 3) === constants.O_RDONLY ? [path] : [];
    } catch {
      return [];
    }
  });
}

const open = (o: { follow?: boolean; tailBytes?: number; channel?: 'stdout' | 'stderr' } = {}) =>
  service.taskOutput(1, 0, { channel: 'stdout', follow: false, signal: stop.signal, ...o });

async function text(pieces: Promise<AsyncIterable<Uint8Array>>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const piece of await pieces) chunks.push(piece);
  return Buffer.concat(chunks).toString();
}

/** Reads in the background. */
class Reading {
  text = '';
  ended = false;
  readonly done: Promise<void>;

  constructor(pieces: Promise<AsyncIterable<Uint8Array>>) {
    this.done = this.run(pieces);
  }

  private async run(pieces: Promise<AsyncIterable<Uint8Array>>): Promise<void> {
    for await (const piece of await pieces) this.text += Buffer.from(piece).toString();
    this.ended = true;
  }

  async reaches(expected: string): Promise<void> {
    await vi.waitFor(() => expect(this.text).toBe(expected), { timeout: 5_000 });
    expect(this.ended).toBe(false);
  }
}

function become(changes: Partial<TaskDetail>): void {
  now = { ...now, ...changes };
  service.review();
}

describe('a file', () => {
  test('whole, its tail, and more tail than there is', async () => {
    writeFileSync(join(dir, 'out'), `${'a'.repeat(100_000)}the end`);
    expect(await text(open())).toHaveLength(100_007);
    expect(await text(open({ tailBytes: 7 }))).toBe('the end');
    expect(await text(open({ tailBytes: 0 }))).toBe('');
    expect(await text(open({ tailBytes: 1e9 }))).toHaveLength(100_007);
  });

  test('a task that goes on writing does not keep a reader for ever', async () => {
    writeFileSync(join(dir, 'out'), 'first');
    const pieces = await open();
    appendFileSync(join(dir, 'out'), ' second');
    expect(await text(Promise.resolve(pieces))).toBe('first');
  });

  test('followed until the end, over an instance that writes it anew', async () => {
    writeFileSync(join(dir, 'out'), 'old old');
    const reading = new Reading(open({ follow: true, tailBytes: 3 }));
    await reading.reaches('old');
    appendFileSync(join(dir, 'out'), ' more');
    await reading.reaches('old more');
    become({ state: 'waiting', instance: 1 });
    await vi.waitFor(() => expect(openBelow(dir)).toEqual([]));
    // Longer than before: only the instance tells that it is another output.
    writeFileSync(join(dir, 'out'), 'the second instance');
    become({ state: 'running' });
    await reading.reaches('old morethe second instance');
    appendFileSync(join(dir, 'out'), '.');
    become({ state: 'finished' });
    await reading.done;
    expect(reading.text).toBe('old morethe second instance.');
  });

  test('followed from before its task has started; one that is removed at the end has been read to its end', async () => {
    const { stdout } = now;
    become({ state: 'waiting', startedAtMs: null, stdout: null });
    const reading = new Reading(open({ follow: true }));
    become({ state: 'running', startedAtMs: 1, stdout });
    writeFileSync(join(dir, 'out'), 'begun');
    await reading.reaches('begun');
    appendFileSync(join(dir, 'out'), ' done');
    rmSync(join(dir, 'out'));
    become({ state: 'finished' });
    await reading.done;
    expect(reading.text).toBe('begun done');
  });

  test('a signal ends a reader that waits, and lets go of a file that nobody began to read', async () => {
    writeFileSync(join(dir, 'out'), 'x');
    const reading = new Reading(open({ follow: true }));
    await reading.reaches('x');
    await open();
    expect(openBelow(dir)).toHaveLength(2);
    stop.abort();
    await reading.done;
  });
});

describe('refusals', () => {
  const refusal = (o?: Parameters<typeof open>[0]): Promise<string> =>
    open(o).then(
      () => 'none',
      (error: Error) => error.message,
    );

  test.each<[Partial<TaskDetail>, string]>([
    [{ state: 'waiting', startedAtMs: null }, 'task 0 of job 1 has not started: it has no output'],
    [{ state: 'canceled', startedAtMs: null }, 'task 0 of job 1 never started: it has no output'],
    [{}, "cannot read '/DIR/out': no such file or directory"],
  ])('%j', async (changes, expected) => {
    become(changes);
    expect((await refusal()).replace(dir, '/DIR')).toBe(expected);
  });

  test('a channel that goes nowhere, or was removed as wanted', async () => {
    now.spec.stderr = null;
    expect(await refusal({ channel: 'stderr', follow: true })).toBe('the stderr of task 0 of job 1 is not kept: it was submitted that way');
    become({ state: 'finished' });
    now.spec.stdout = { path: 'out', onClose: 'rm-if-finished' };
    expect(await refusal({ follow: true })).toBe(
      'the stdout of task 0 of job 1 was removed when the task finished: it was submitted that way',
    );
  });

  test('what is no regular file', async () => {
    mkdirSync(join(dir, 'out'));
    expect((await refusal({ follow: true })).replace(dir, '/DIR')).toBe("cannot read '/DIR/out': it is not a regular file");
  });

  test('a log that is not there, or knows nothing of an ended task; of a running one it may still come', async () => {
    become({ stdout: '<stream>' });
    expect(await text(open())).toBe('');
    become({ state: 'finished' });
    expect((await refusal()).replace(dir, '/DIR')).toBe('the log in /DIR holds nothing of task 0 of job 1');
    rmSync(dir, { recursive: true });
    expect((await refusal({ follow: true })).replace(dir, '/DIR')).toBe("cannot read '/DIR': no such file or directory");
  });
});

describe('a consolidated log', () => {
  beforeEach(() => become({ stdout: '<stream>' }));

  test('the highest instance, over several workers, with and without a tail; other tasks and channels stay out', async () => {
    const first = openWriter({ dir });
    say(first, 0, 'superseded');
    say(first, 7, 'of another task');
    first.flush();
    const second = openWriter({ dir, workerId: 2 });
    say(second, 0, 'hello ', { instance: 1 });
    say(second, 0, 'trouble', { instance: 1, channel: 'stderr' });
    say(second, 0, 'world', { instance: 1 });
    finish(second, 0, 1);
    second.flush();
    become({ state: 'finished', instance: 1 });
    expect(await text(open())).toBe('hello world');
    expect(await text(open({ channel: 'stderr' }))).toBe('trouble');
    expect(await text(open({ tailBytes: 7 }))).toBe('o world');
    expect(await text(open({ tailBytes: 0 }))).toBe('');
    expect(await text(open({ tailBytes: 100, follow: true }))).toBe('hello world');
  });

  test('much more than is read ahead arrives complete and in order', async () => {
    const writer = openWriter({ dir });
    const expected: string[] = [];
    for (let i = 0; i < 2_000; i += 1) {
      expected.push(`${i}`.padEnd(1_000, '.'));
      say(writer, 0, expected[i] as string);
    }
    writer.flush();
    expect(await text(open())).toBe(expected.join(''));
  });

  test('followed from its tail to the end of the task', async () => {
    const writer = openWriter({ dir });
    say(writer, 0, 'one two');
    writer.flush();
    const reading = new Reading(open({ follow: true, tailBytes: 3 }));
    await reading.reaches('two');
    say(writer, 0, ' three');
    writer.flush();
    await reading.reaches('two three');
    say(writer, 0, ' four');
    finish(writer, 0);
    writer.flush();
    become({ state: 'finished' });
    await reading.done;
    expect(reading.text).toBe('two three four');
  });

  test('a reader that goes away closes the files', async () => {
    const writer = openWriter({ dir });
    say(writer, 0, 'x'.repeat(60_000));
    for (let i = 0; i < 20; i += 1) say(writer, 0, 'y'.repeat(60_000));
    writer.flush();
    writer.close();
    const pieces = (await open())[Symbol.asyncIterator]();
    await pieces.next();
    expect(openBelow(dir)).toHaveLength(1);
    await pieces.return?.();
    await vi.waitFor(() => expect(openBelow(dir)).toEqual([]));
  });
});
