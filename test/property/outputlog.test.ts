/** Properties of the output log: whatever is written, cut, flipped or read too early, every other record is read as it was written. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { followOutputLog } from '../../src/outputlog/follow.ts';
import { type Channel, OutputLog } from '../../src/outputlog/reader.ts';
import { OutputLogWriter } from '../../src/outputlog/writer.ts';

/** Pieces of protocol in the data must not confuse anybody. */
const data = fc.oneof(
  fc.uint8Array({ maxLength: 60 }),
  fc
    .constantFrom('f54851fa', 'f54851', 'f54851faf54851fa02000000', '8948514c4f470a01')
    .map((hex) => new Uint8Array(Buffer.from(hex, 'hex'))),
  fc.integer({ min: 65_530, max: 140_000 }).map((size) => new Uint8Array(size).fill(size & 0xff)),
);

type Step =
  | { kind: 'append'; task: number; instance: number; channel: Channel; data: Uint8Array }
  | { kind: 'end'; task: number; instance: number }
  | { kind: 'flush' }
  | { kind: 'reopen' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      task: fc.nat(4),
      instance: fc.nat(2),
      channel: fc.constantFrom<Channel>('stdout', 'stderr'),
      data,
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('end' as const), task: fc.nat(4), instance: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'flush' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
);

const small: fc.Arbitrary<Step> = step.filter((one) => one.kind !== 'append' || one.data.length < 100);

const open = (dir: string, workerId: number): OutputLogWriter =>
  OutputLogWriter.open({ dir, jobId: 1, serverUid: 'uid', workerId, session: `s${workerId}`, nowMs: 1000 });

/** One worker's writer, and what it has been given. */
class Worker {
  readonly dir: string;
  readonly id: number;
  writer: OutputLogWriter;
  private clock = 1000;

  constructor(dir: string, id: number) {
    this.dir = dir;
    this.id = id;
    this.writer = open(dir, id);
  }

  apply(one: Step): void {
    const at = { timeMs: this.clock++ };
    if (one.kind === 'append')
      this.writer.append({ ...at, taskId: one.task, instance: one.instance, channel: one.channel, data: one.data });
    else if (one.kind === 'end') this.writer.end({ ...at, taskId: one.task, instance: one.instance, outcome: 'finished' });
    else if (one.kind === 'flush') this.writer.flush();
    else {
      this.writer.close();
      this.writer = open(this.dir, this.id);
    }
  }
}

/** What must be read: per task the highest instance's output and whether it has ended. */
function model(steps: readonly Step[]): Map<number, { instance: number; finished: boolean; stdout: string; stderr: string }> {
  const tasks = new Map<number, { instance: number; finished: boolean; stdout: string; stderr: string }>();
  for (const one of steps) {
    if (one.kind === 'flush' || one.kind === 'reopen' || (one.kind === 'append' && one.data.length === 0)) continue;
    let task = tasks.get(one.task);
    if (task === undefined || task.instance < one.instance) {
      task = { instance: one.instance, finished: false, stdout: '', stderr: '' };
      tasks.set(one.task, task);
    }
    if (task.instance !== one.instance) continue;
    if (one.kind === 'end') task.finished = true;
    else task[one.channel] += Buffer.from(one.data).toString('latin1');
  }
  return tasks;
}

function read(path: string): { tasks: ReturnType<typeof model>; notices: string[]; damaged: boolean } {
  const notices: string[] = [];
  const log = OutputLog.open(path, { onNotice: (notice) => notices.push(notice.text) });
  try {
    const text = (id: number, channel: Channel): string =>
      Buffer.concat([...log.cat(1, channel, { tasks: [id], allowUnfinished: true })]).toString('latin1');
    const tasks = log
      .tasks(1)
      .map(({ id, instance, finished }) => [id, { instance, finished, stdout: text(id, 'stdout'), stderr: text(id, 'stderr') }] as const);
    return { tasks: new Map(tasks), notices: [...notices], damaged: log.verify().length > 0 };
  } finally {
    log.close();
  }
}

function inDir<T>(use: (dir: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'hq-outputlog-'));
  try {
    return use(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

test('what was written is read: any interleaving, flushes, re-openings, closed or not', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, close) =>
      inDir((dir) => {
        const worker = new Worker(dir, 1);
        for (const one of steps) worker.apply(one);
        worker.writer.flush();
        if (close) worker.writer.close();
        expect(read(dir)).toEqual({ tasks: model(steps), notices: [], damaged: false });
        worker.writer.abandon();
      }),
    ),
  );
});

test('several workers: the highest instance wins wherever it was written', () => {
  fc.assert(
    // An instance runs on one worker only; here instance i on worker i.
    fc.property(fc.array(step, { maxLength: 40 }), (steps) =>
      inDir((dir) => {
        const workers = [0, 1, 2].map((id) => new Worker(dir, id));
        for (const one of steps) workers['instance' in one ? one.instance : 0]?.apply(one);
        for (const worker of workers) worker.writer.close();
        expect(read(join(dir, 'job-1.log')).tasks).toEqual(model(steps));
      }),
    ),
  );
});

/** Offsets at which records begin, and what each one was. */
function written(steps: readonly Step[], dir: string): { path: string; starts: { at: number; step: Step }[]; begin: number } {
  const worker = new Worker(dir, 1);
  const begin = readFileSync(worker.writer.path).length;
  const starts: { at: number; step: Step }[] = [];
  for (const one of steps) {
    worker.writer.flush();
    starts.push({ at: readFileSync(worker.writer.path).length, step: one });
    worker.apply(one);
  }
  worker.writer.flush();
  const { path } = worker.writer;
  worker.writer.abandon();
  return { path, starts, begin };
}

test('cut at any byte: every record before the cut is read', () => {
  fc.assert(
    fc.property(
      fc.array(
        small.filter((one) => one.kind !== 'reopen'),
        { maxLength: 12 },
      ),
      fc.nat(),
      (steps, where) =>
        inDir((dir) => {
          const { path, starts, begin } = written(steps, dir);
          const bytes = readFileSync(path);
          const size = begin + (where % (bytes.length - begin + 1));
          writeFileSync(path, bytes.subarray(0, size));
          const kept = starts.filter((_, i) => (starts[i + 1]?.at ?? bytes.length) <= size).map((start) => start.step);
          expect(read(path).tasks).toEqual(model(kept));
        }),
    ),
  );
});

test('any byte overwritten: every other record is read', () => {
  fc.assert(
    fc.property(
      fc.array(
        small.filter((one) => one.kind !== 'reopen'),
        { minLength: 1, maxLength: 12 },
      ),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (steps, where, flip) =>
        inDir((dir) => {
          const { path, starts, begin } = written(steps, dir);
          const bytes = readFileSync(path);
          if (bytes.length === begin) return;
          const at = begin + (where % (bytes.length - begin));
          bytes[at] = (bytes[at] as number) ^ flip;
          writeFileSync(path, bytes);
          const hit = starts.findLastIndex((start) => start.at <= at && start.step.kind !== 'flush' && !isEmpty(start.step));
          const without = (record: Step): Step => (record.kind === 'append' ? { ...record, data: new Uint8Array(0) } : { kind: 'flush' });
          const others = starts.map((start, i) => (i === hit ? without(start.step) : start.step));
          const got = read(path);
          // The header of a record whose payload is damaged may still tell that there is such a task and instance.
          const outputs = (tasks: ReturnType<typeof model>): string[] =>
            [...tasks]
              .filter(([id]) => id !== taskOf(starts[hit]?.step))
              .map(([id, task]) => `${id} ${JSON.stringify(task)}`)
              .sort();
          expect(outputs(got.tasks)).toEqual(outputs(model(others)));
          const task = taskOf(starts[hit]?.step);
          const expected = task === undefined ? undefined : model(others).get(task);
          if (task !== undefined && expected !== undefined && got.tasks.get(task)?.instance === expected.instance)
            expect(got.tasks.get(task)).toEqual(expected);
          expect(got.damaged).toBe(true);
        }),
    ),
    { numRuns: 300 },
  );
});

function isEmpty(one: Step): boolean {
  return one.kind === 'append' && one.data.length === 0;
}

function taskOf(one: Step | undefined): number | undefined {
  return one !== undefined && 'task' in one ? one.task : undefined;
}

test('growth while following: everything comes once, whole and in order, however the file grows', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(small, { maxLength: 15 }),
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 10 }),
      async (steps, growth) => {
        const dir = mkdtempSync(join(tmpdir(), 'hq-outputlog-'));
        try {
          const worker = new Worker(join(dir, 'source'), 1);
          for (const one of steps) worker.apply(one);
          worker.writer.close();
          const bytes = readFileSync(worker.writer.path);
          const path = join(dir, 'job-1.log');
          let size = 0;
          let turn = 0;
          const wait = async (): Promise<void> => {
            size = Math.min(bytes.length, size + (growth[turn++ % growth.length] as number));
            writeFileSync(path, bytes.subarray(0, size));
          };
          let text = '';
          for await (const event of followOutputLog(path, { wait, isDone: () => size === bytes.length })) {
            if (event.kind === 'data') text += `${event.taskId}.${event.instance}.${event.channel} ${event.data.toString('hex')}\n`;
            else text += `${event.taskId}.${event.instance} end\n`;
          }
          expect(text).toBe(followed(steps));
        } finally {
          rmSync(dir, { recursive: true, force: true });
        }
      },
    ),
  );
});

/** What following must give: records in the order written, without instances that were superseded before. */
function followed(steps: readonly Step[]): string {
  const highest = new Map<number, number>();
  let text = '';
  for (const one of steps) {
    if (!('task' in one) || isEmpty(one) || one.instance < (highest.get(one.task) ?? 0)) continue;
    highest.set(one.task, one.instance);
    if (one.kind === 'append') text += `${one.task}.${one.instance}.${one.channel} ${Buffer.from(one.data).toString('hex')}\n`;
    else text += `${one.task}.${one.instance} end\n`;
  }
  return text;
}

test('a disk that takes any number of bytes at a time, or none: nothing is lost or doubled', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), fc.array(fc.nat(300), { minLength: 1, maxLength: 20 }), (steps, takes) =>
      inDir((dir) => {
        let turn = -1;
        const writer = OutputLogWriter.open(
          { dir, jobId: 1, serverUid: 'uid', workerId: 1, session: 's1', nowMs: 1000 },
          (fd, buffer, from, length, position) => {
            const take = turn++ < 0 ? length : (takes[turn % takes.length] as number) * (length > 10_000 ? 300 : 1);
            if (take === 0) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
            return writeSync(fd, buffer, from, Math.min(length, take), position);
          },
        );
        const patiently = (action: () => void): void => {
          // Enough for the slowest disk that is drawn: a byte at every second try, for what is just too short to be taken faster.
          for (let tries = 0; tries < 25_000; tries++) {
            try {
              action();
              return;
            } catch {
              // Full: try again, as the worker does.
            }
          }
          writer.abandon();
        };
        if (takes.every((take) => take === 0)) return writer.abandon();
        for (const one of steps) {
          if (one.kind === 'append')
            patiently(() => writer.append({ taskId: one.task, instance: one.instance, channel: one.channel, timeMs: 1, data: one.data }));
          else if (one.kind === 'end')
            patiently(() => writer.end({ taskId: one.task, instance: one.instance, timeMs: 1, outcome: 'finished' }));
          else patiently(() => writer.flush());
        }
        patiently(() => writer.close());
        expect(read(dir)).toEqual({ tasks: model(steps), notices: [], damaged: false });
      }),
    ),
  );
});
