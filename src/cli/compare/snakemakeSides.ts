/** The sides of `hq compare snakemake`: one workflow on Snakemake's own executor for Slurm, and on hq over the same Slurm. */
import { once } from 'node:events';
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtFile } from '../../common/builtFile.ts';
import { HqError } from '../../protocol/errors.ts';
import { endChild, hasEnded, startChild } from './child.ts';
import { countFiles, filesBetween } from './hostCost.ts';
import { OwnServer, type QueueLimits } from './ownServer.ts';
import type { RunPlace } from './runPlace.ts';
import { nowMs, type Side, type SideRun } from './side.ts';
import type { Environment } from './slurm.ts';
import { readCommandTimes, readSnakemakeTasks, withDefaultResources } from './snakemakeNotes.ts';

/** Snakemake cancels its jobs first. Milliseconds. */
const STOP_MAX_MS = 60_000;

export interface WorkflowWork {
  /** Copied for each run. */
  readonly workflow: string;
  /** Of Snakemake, without what chooses the executor. */
  readonly args: readonly string[];
  /** Like `slurm_partition=general`. */
  readonly resources: readonly string[];
  /** Not copied. */
  readonly directory: string;
}

/** @returns `snakemake --executor slurm` */
export function slurmExecutor(work: WorkflowWork): Side {
  return { name: 'slurm-executor', run: (place) => runWorkflow(work, { place, executor: 'slurm', env: {}, signal: place.signal }) };
}

/** @returns `snakemake --executor hyperqueue` with a server that has one allocation queue */
export function hqExecutor(work: WorkflowWork, limits: QueueLimits): Side {
  const run = async (place: RunPlace): Promise<SideRun> => {
    const server = await OwnServer.start(place, { ...limits, env: jobEnvironment(place) });
    const [ended, refused] = [new AbortController(), new AbortController()];
    // Snakemake would wait for ever for jobs that no allocation runs.
    const following = server.followQueue(ended.signal).catch((error: unknown) => refused.abort(error));
    try {
      const signal = AbortSignal.any([place.signal, refused.signal]);
      return await runWorkflow(work, { place, executor: 'hyperqueue', env: { HQ_SERVER_DIR: server.directory }, signal });
    } catch (error) {
      throw refused.signal.aborted ? refused.signal.reason : error;
    } finally {
      ended.abort();
      await following;
      await server.stop();
    }
  };
  return { name: 'hyperqueue', run };
}

async function runWorkflow(
  work: WorkflowWork,
  o: { place: RunPlace; executor: string; env: Environment; signal: AbortSignal },
): Promise<SideRun> {
  const { place, executor, signal } = o;
  copyWorkflow(work, place);
  const events = place.own('events.jsonl');
  const log = place.own('snakemake.txt');
  const env = { ...place.shims.env, ...o.env, ...jobEnvironment(place), HQ_COMPARE_EVENTS: events };
  const args = [...withDefaultResources(work.args, work.resources), '--logger', 'hqcompare', '--executor', executor];
  const startedAtMs = nowMs();
  const child = startChild('snakemake', args, { cwd: place.work, env, log });
  try {
    if (!hasEnded(child)) await once(child, 'exit', { signal });
  } finally {
    await endChild(child, STOP_MAX_MS);
  }
  const wallMs = nowMs() - startedAtMs;
  const noted = existsSync(events) ? readFileSync(events, 'utf8') : '';
  const records = readdirSync(place.records).map((file) => readFileSync(join(place.records, file), 'utf8'));
  const tasks = readSnakemakeTasks(noted, readCommandTimes(records.join('')), startedAtMs);
  if (tasks.length === 0) {
    const last = readFileSync(log, 'utf8').trim().split('\n').at(-1) ?? '';
    throw new HqError('HQ_E_COMPARE', { detail: `snakemake --executor ${executor} ran no job: ${last}`, fix: `See ${log}` });
  }
  return { startedAtMs, wallMs, tasks };
}

/** Results of an earlier run would leave nothing to do; they are not told from input, so the directory has to be without them. */
function copyWorkflow({ workflow, directory }: WorkflowWork, place: RunPlace): void {
  const before = countFiles(place.work);
  for (const name of readdirSync(workflow)) {
    const from = join(workflow, name);
    if (name !== '.snakemake' && from !== directory) cpSync(from, join(place.work, name), { recursive: true });
  }
  place.given = filesBetween(before, countFiles(place.work));
}

/** With it, Snakemake finds the logger, and the jobs note their times. */
function jobEnvironment({ shims, records }: RunPlace): Environment {
  const folder = fileURLToPath(builtFile('../plugins/compare'));
  const path = shims.env['PYTHONPATH'] ?? '';
  return {
    PYTHONPATH: path === '' ? folder : `${folder}:${path}`,
    BASH_ENV: join(folder, 'runTime.bash'),
    HQ_COMPARE_RECORDS: records,
  };
}
