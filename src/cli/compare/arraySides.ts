/** The sides of `hq compare array`: the same script for every task on hq, in one job array of Slurm, or as one batch job per task. */
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type BriefResult, briefRun, firstLine } from '../../common/briefRun.ts';
import { clockTime } from '../../common/clockTime.ts';
import { HqError } from '../../protocol/errors.ts';
import type { HqEvent } from '../../protocol/schema/event.ts';
import { OwnServer, type QueueLimits } from './ownServer.ts';
import type { RunPlace } from './runPlace.ts';
import { nowMs, type Side, type SideRun, Watch } from './side.ts';
import { readSubmittedIds } from './slurmText.ts';
import { readRecords, taskScript } from './taskScript.ts';

/** A loaded controller takes its time. Milliseconds. */
const COMMAND_MS = 300_000;
/** A hundred thousand ids, characters. */
const OUTPUT_MAX = 16 * 1024 * 1024;

export interface ArrayWork {
  readonly command: readonly string[];
  readonly tasks: number;
  readonly cpus: number;
  readonly timeLimitMs: number;
  /** For sbatch on all sides: partition, account. */
  readonly commonArgs: readonly string[];
  /** For sbatch of single jobs and arrays. */
  readonly sbatchArgs: readonly string[];
  /** Most tasks of an array that may run at once; undefined: as many as Slurm lets. */
  readonly atOnce: number | undefined;
  /** Between two looks at the queue, milliseconds. */
  readonly pollMs: number;
}

/** @returns `hq submit --array` on allocations, the ends seen on the event stream */
export function hqArray(work: ArrayWork, limits: QueueLimits): Side {
  const run = async (place: RunPlace): Promise<SideRun> => {
    const script = writeScript(work, place);
    const server = await OwnServer.start(place, limits);
    try {
      const { client } = server;
      const events = client.events({ types: ['task-finished', 'task-failed', 'allocation-ended', 'queue-paused'], signal: place.signal });
      const watch = new Watch(work);
      try {
        await events.ready();
        watch.submit(work.tasks);
        const spec = { command: ['/bin/sh', script, 'hq'], request: [{ resources: { cpus: String(work.cpus) } }] };
        const tasks = { kind: 'array', ids: `0-${work.tasks - 1}`, spec } as const;
        await client.createJob({ name: 'compare', submit: { submitDir: place.work, stream: 'logs', tasks } });
        for await (const batch of events) {
          const atMs = nowMs();
          for (const event of batch) {
            if ('taskId' in event) watch.notice(event.taskId, atMs);
            // Without allocations the tasks would wait for ever.
            else if (isFailure(event)) throw await server.refusal();
          }
          if (watch.isComplete) break;
        }
      } finally {
        await events.return();
      }
      place.signal.throwIfAborted();
      return watch.result(readRecords(place.records));
    } finally {
      await server.stop();
    }
  };
  return { name: 'hyperqueue', run };
}

/** An allocation was refused or has failed, or the queue has given up. */
function isFailure(event: HqEvent): boolean {
  return event.type === 'queue-paused' || (event.type === 'allocation-ended' && event.state === 'failed');
}

/** @returns one `sbatch --array`, the ends seen by looking at the queue */
export function slurmArray(work: ArrayWork): Side {
  const run = async (place: RunPlace): Promise<SideRun> => {
    const queue = new SlurmQueue(work, place);
    const limit = work.atOnce === undefined ? '' : `%${work.atOnce}`;
    queue.watch.submit(work.tasks);
    const id = await queue.submit([`--array=0-${work.tasks - 1}${limit}`], 'array');
    const ids = Array.from({ length: work.tasks }, (_, index): [string, number] => [`${id}_${index}`, index]);
    await queue.untilEmpty(new Map(ids), Promise.resolve());
    return queue.watch.result(readRecords(place.records));
  };
  return { name: 'sbatch-array', run };
}

/** @returns one `sbatch` per task, one after the other as in a shell's loop, the ends seen by looking at the queue meanwhile */
export function slurmJobs(work: ArrayWork): Side {
  const run = async (place: RunPlace): Promise<SideRun> => {
    const queue = new SlurmQueue(work, place);
    const ids = new Map<string, number>();
    const submitAll = async (): Promise<void> => {
      for (let index = 0; index < work.tasks && !place.signal.aborted; index += 1) {
        queue.watch.submit(1);
        ids.set(await queue.submit([], String(index)), index);
      }
    };
    await queue.untilEmpty(ids, submitAll());
    return queue.watch.result(readRecords(place.records));
  };
  return { name: 'sbatch', run };
}

/** Jobs of one name, submitted and looked at with Slurm's own commands. */
class SlurmQueue {
  readonly watch: Watch;
  private readonly work: ArrayWork;
  private readonly place: RunPlace;
  private readonly script: string;
  /** All jobs of a run have it, and nobody else's: the queue can be asked for them without a list of ids. */
  private readonly name: string;

  constructor(work: ArrayWork, place: RunPlace) {
    this.work = work;
    this.place = place;
    this.watch = new Watch(work);
    this.script = writeScript(work, place);
    this.name = `hq-compare-${process.pid}-${Date.now().toString(36)}`;
  }

  /** @returns the job's id @throws HqError HQ_E_BATCH_REFUSED with what sbatch said */
  async submit(options: readonly string[], argument: string): Promise<string> {
    const { cpus, timeLimitMs, commonArgs, sbatchArgs } = this.work;
    const own = ['--parsable', `--job-name=${this.name}`, `--cpus-per-task=${cpus}`, `--time=${clockTime(timeLimitMs)}`, ...options];
    const result = await this.command('sbatch', [...own, ...commonArgs, ...sbatchArgs, this.script, argument]);
    const id = result.kind === 'exit' && result.code === 0 ? readSubmittedIds(result.stdout)[0] : undefined;
    if (id !== undefined) return id;
    const detail = result.kind === 'exit' ? firstLine({ stdout: result.stderr, stderr: result.stdout }) : `sbatch: ${result.kind}`;
    throw new HqError('HQ_E_BATCH_REFUSED', { system: 'Slurm', detail });
  }

  /**
   * Looks at the queue until all tasks were submitted and none is in it; one that has left it has ended.
   * @param ids of the tasks' jobs -> index; may grow while `submission` is under way
   */
  async untilEmpty(ids: ReadonlyMap<string, number>, submission: Promise<void>): Promise<void> {
    const { signal } = this.place;
    let failure: unknown;
    submission.catch((error: unknown) => {
      failure = error;
    });
    while (!this.watch.isComplete) {
      if (failure !== undefined) throw failure;
      if (signal.aborted) await submission.catch(() => undefined);
      signal.throwIfAborted();
      await this.look(ids);
      if (!this.watch.isComplete) await delay(this.work.pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  private async look(ids: ReadonlyMap<string, number>): Promise<void> {
    const submitted = [...ids];
    const result = await this.command('squeue', ['--noheader', '--array', `--name=${this.name}`, '--format=%i']);
    // A controller that does not answer is asked again.
    if (result.kind !== 'exit' || result.code !== 0) return;
    const queued = new Set(result.stdout.split('\n'));
    const atMs = nowMs();
    for (const [id, index] of submitted) if (!queued.has(id)) this.watch.notice(index, atMs);
  }

  private command(program: string, args: readonly string[]): Promise<BriefResult> {
    const { work, shims } = this.place;
    return briefRun(program, args, { cwd: work, env: shims.env, timeoutMs: COMMAND_MS, outputMax: OUTPUT_MAX });
  }
}

function writeScript({ command }: ArrayWork, place: RunPlace): string {
  const path = place.own('task.sh');
  writeFileSync(path, taskScript(command, place.records), { mode: 0o755 });
  return path;
}
