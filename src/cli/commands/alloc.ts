/** `hq alloc add|dry-run|list|info|explain|pause|resume|remove|log` */
import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { HqError } from '../../protocol/errors.ts';
import type { AllocationState } from '../../protocol/schema/allocation.ts';
import { type ModifyQueueFlags, type QueueFlags, queueChangeOf, queueParamsOf } from '../alloc/options.ts';
import type { Context } from '../context.ts';

/** The batch system and, behind it, what is for the batch system. */
type AddArgs = [system: string, rest: string[]];

export async function runAdd(context: Context, [system, rest]: AddArgs, flags: QueueFlags): Promise<undefined> {
  const params = queueParamsOf(pathOf(context, system), flags, { rest, compat: context.compat });
  const trial = flags.dryRun !== false;
  const { queueId, warnings } = await (await context.client()).createQueue({ params, trial });
  if (trial) context.output.done(TRIAL_DONE);
  for (const warning of warnings) context.warn(warning);
  context.output.done(`Allocation queue ${queueId} successfully created`);
}

export async function runDryRun(context: Context, [system, rest]: AddArgs, flags: QueueFlags): Promise<undefined> {
  const { warnings } = await (await context.client()).tryQueue(
    queueParamsOf(pathOf(context, system), flags, { rest, compat: context.compat }),
  );
  for (const warning of warnings) context.warn(warning);
  context.output.done(TRIAL_DONE);
}

const TRIAL_DONE = 'A trial allocation was submitted successfully. It was immediately canceled to avoid wasting resources.';

/** The path of a plugin is relative to where it was typed. */
function pathOf({ io }: Context, system: string): string {
  const path = /^plugin:(.+)$/s.exec(system)?.[1];
  return path === undefined ? system : `plugin:${resolve(io.cwd, path)}`;
}

export async function runList(context: Context): Promise<undefined> {
  context.output.queues(await (await context.client()).listQueues());
}

export async function runInfo(context: Context, [queueId]: [number], { filter }: { filter?: AllocationState }): Promise<undefined> {
  const all = await (await context.client()).queueAllocations(queueId);
  // The original's rule: what has failed has finished, too.
  const isWanted = (state: AllocationState): boolean =>
    filter === undefined || state === filter || (filter === 'finished' && state === 'failed');
  context.output.allocations(all.filter(({ state }) => isWanted(state)));
}

export async function runExplain(context: Context, [queueId]: [number]): Promise<undefined> {
  context.output.queueExplanation(await (await context.client()).explainQueue(queueId));
}

export async function runModify(context: Context, [queueId, rest]: [number, string[]], flags: ModifyQueueFlags): Promise<undefined> {
  await (await context.client()).modifyQueue(queueId, queueChangeOf(flags, rest));
  context.output.done(`Allocation queue ${queueId} successfully modified`);
}

export async function runPause(context: Context, [queueId]: [number]): Promise<undefined> {
  await (await context.client()).pauseQueue(queueId);
  context.output.done(`Allocation queue ${queueId} successfully paused`);
}

export async function runResume(context: Context, [queueId]: [number]): Promise<undefined> {
  await (await context.client()).resumeQueue(queueId);
  context.output.done(`Allocation queue ${queueId} successfully resumed`);
}

export async function runRemove(context: Context, [queueId]: [number], { force }: { force?: boolean }): Promise<undefined> {
  const running = force === true ? 'cancel' : context.compat.refuseRunningQueue ? 'refuse' : 'drain';
  await (await context.client()).removeQueue(queueId, { running });
  context.output.done(`Allocation queue ${queueId} successfully removed`);
}

/** Read here: the directory lies where clients and nodes see it, too. */
export async function runLog(context: Context, [id, channel]: [string, string]): Promise<undefined> {
  if (channel !== 'stdout' && channel !== 'stderr') {
    throw new HqError('HQ_E_USAGE', { detail: `invalid value '${channel}' for '<CHANNEL>': stdout or stderr is expected` });
  }
  if (context.mode === 'json') throw new HqError('HQ_E_REQUEST', { detail: "JSON output mode doesn't support allocation logs" });
  const { workdir } = await (await context.client()).allocation(id);
  const path = `${workdir}/${channel}`;
  context.note(`Log file of allocation ${id}: ${path}`);
  if (context.mode === 'quiet') return;
  try {
    for await (const piece of createReadStream(path)) await context.raw(piece as Buffer);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new HqError('HQ_E_FILE', { path, detail: code === 'ENOENT' ? 'it does not exist (yet)' : message }, { cause: error });
  }
}
