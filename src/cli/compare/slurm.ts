/**
 * What `hq compare` itself asks Slurm, past the shims, so that it does not count: what there is, counters of the controller, jobs of a run, and
 * cancelling what is left of one.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { briefRun, firstLine } from '../../common/briefRun.ts';
import { HqError } from '../../protocol/errors.ts';
import { UNKNOWN_STATE } from '../../protocol/schema/compare.ts';
import {
  type JobRow,
  type Partition,
  readConfiguration,
  readJobRows,
  readSdiag,
  readSinfo,
  SACCT_COLUMNS,
  type SdiagCounters,
  SINFO_FORMAT,
  type SlurmConfiguration,
  SQUEUE_COLUMNS,
  withoutArrays,
} from './slurmText.ts';

/** A controller that is down takes its clients 9 s to notice. Milliseconds. */
const COMMAND_MS = 60_000;
/** Jobs of a hundred thousand tasks, characters. */
const OUTPUT_MAX = 64 * 1024 * 1024;
/** Between two looks whether cancelled jobs are gone, and how long that may take: Slurm kills what ignores SIGTERM after some 30 s. Milliseconds. */
const GONE_STEP_MS = 200;
const GONE_MAX_MS = 90_000;
/** Ids in one call: far below the longest command line. */
const IDS_MAX = 5_000;
/** Commands without which nothing can be compared. */
const NEEDED = ['sbatch', 'squeue', 'scancel', 'sinfo', 'scontrol'];

export type Environment = Readonly<Record<string, string | undefined>>;

/** @returns absolute path of a program; undefined when it is in no directory of PATH */
export function findOnPath(program: string, env: Environment): string | undefined {
  return (env['PATH'] ?? '')
    .split(':')
    .filter(Boolean)
    .map((folder) => join(folder, program))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

export class Slurm {
  private readonly env: Environment;

  /** @throws HqError HQ_E_COMPARE when a command is not on PATH */
  constructor(env: Environment) {
    const missing = NEEDED.filter((command) => findOnPath(command, env) === undefined);
    if (missing.length > 0) {
      throw new HqError('HQ_E_COMPARE', {
        detail: `${missing.join(', ')} not found on PATH`,
        fix: 'Run it on a host that submits to Slurm; check with: hq doctor',
      });
    }
    this.env = { ...env, SLURM_TIME_FORMAT: '%s' };
  }

  /**
   * @param wanted name; undefined: the default partition
   * @throws HqError HQ_E_COMPARE when there is none of that name, or no node of it is in service
   */
  async partition(wanted: string | undefined): Promise<Partition> {
    const all = readSinfo(await this.ask('sinfo', ['--noheader', `--format=${SINFO_FORMAT}`]));
    const found = all.find(({ name, isDefault }) => (wanted === undefined ? isDefault : name === wanted));
    const names = all.map(({ name }) => name).join(', ');
    if (found === undefined) {
      const detail = wanted === undefined ? 'there is no default partition' : `there is no partition '${wanted}'`;
      throw new HqError('HQ_E_COMPARE', { detail, fix: `Choose one with --partition: ${names}` });
    }
    if (found.nodes === 0) {
      throw new HqError('HQ_E_COMPARE', {
        detail: `no node of partition '${found.name}' is in service`,
        fix: `Choose another with --partition: ${names}`,
      });
    }
    return found;
  }

  async configuration(): Promise<SlurmConfiguration> {
    return readConfiguration(await this.ask('scontrol', ['show', 'config']));
  }

  /** @returns undefined where sdiag is not there or not allowed */
  async counters(): Promise<SdiagCounters | undefined> {
    const result = await this.run('sdiag', []);
    return result.kind === 'exit' && result.code === 0 ? readSdiag(result.stdout) : undefined;
  }

  /**
   * Jobs that have ended, tasks of arrays one by one. The controller forgets a job some minutes after its end (MinJobAge); the accounting, where there is
   * one, does not, but may be late.
   * @returns a row of state UNKNOWN for each id that nobody knows any more
   */
  async jobs(ids: readonly string[]): Promise<JobRow[]> {
    const known = await this.inChunks(ids, (some) => this.queued(['--states=all', `--jobs=${some}`]));
    const accounted = await this.inChunks(ids, async (some) => {
      const result = await this.run('sacct', ['--noheader', '--parsable2', '--allocations', `--format=${SACCT_COLUMNS}`, `--jobs=${some}`]);
      return result.kind === 'exit' && result.code === 0 ? readJobRows(result.stdout) : [];
    });
    // What is late there still waits or runs, tasks of an array as one row.
    const ended = accounted.filter(({ id, endMs }) => endMs !== null && !id.includes('['));
    const rows = new Map([...ended, ...known].map((row) => [row.id, row]));
    const seen = new Set([...rows.keys()].map((id) => id.replace(/_.*$/, '')));
    const forgotten = ids.filter((id) => !seen.has(id)).map((id) => ({ id, state: UNKNOWN_STATE, startMs: null, endMs: null, cpus: 0 }));
    return [...withoutArrays([...rows.values()]), ...forgotten];
  }

  /**
   * Cancels what is left of these jobs and waits until none is in the queue.
   * @returns ids that are still there, because Slurm could not end them in time or did not answer
   */
  async end(ids: readonly string[]): Promise<string[]> {
    if (ids.length === 0) return [];
    let left = await this.left(ids);
    if (left.length > 0) for (const some of chunks(left)) await this.run('scancel', some);
    for (const since = performance.now(); left.length > 0 && performance.now() - since < GONE_MAX_MS; left = await this.left(ids))
      await delay(GONE_STEP_MS);
    return left;
  }

  /** All of them when Slurm does not answer. */
  private async left(ids: readonly string[]): Promise<string[]> {
    try {
      return [...new Set((await this.inChunks(ids, (some) => this.queued([`--jobs=${some}`]))).map(({ id }) => id.replace(/_.*$/, '')))];
    } catch {
      return [...ids];
    }
  }

  private async queued(args: readonly string[]): Promise<JobRow[]> {
    const result = await this.run('squeue', ['--noheader', '--array', `--format=${SQUEUE_COLUMNS}`, ...args]);
    if (result.kind === 'exit' && result.code === 0) return readJobRows(result.stdout);
    // When the controller knows none of them.
    if (result.kind === 'exit' && /invalid job id/i.test(result.stderr)) return [];
    throw unreachable('squeue', result);
  }

  private async inChunks(ids: readonly string[], ask: (ids: string) => Promise<JobRow[]>): Promise<JobRow[]> {
    const rows: JobRow[] = [];
    for (const some of chunks(ids)) for (const row of await ask(some.join(','))) rows.push(row);
    return rows;
  }

  private async ask(program: string, args: readonly string[]): Promise<string> {
    const result = await this.run(program, args);
    if (result.kind === 'exit' && result.code === 0) return result.stdout;
    throw unreachable(program, result);
  }

  private run(program: string, args: readonly string[]) {
    return briefRun(program, args, { env: this.env, timeoutMs: COMMAND_MS, outputMax: OUTPUT_MAX });
  }
}

function unreachable(program: string, result: Awaited<ReturnType<typeof briefRun>>): HqError {
  const why =
    result.kind === 'exit'
      ? firstLine({ stdout: result.stderr, stderr: result.stdout })
      : result.kind === 'failed'
        ? result.why
        : result.kind;
  return new HqError('HQ_E_BATCH_UNREACHABLE', { system: 'Slurm', detail: `${program}: ${why}` });
}

function chunks(ids: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(ids.length / IDS_MAX) }, (_, index) => ids.slice(index * IDS_MAX, (index + 1) * IDS_MAX));
}
