/** `hq logs snakemake`: what the jobs of a workflow run have printed, chosen by rule and wildcards. */
import { existsSync } from 'node:fs';
import type { HqClient } from '../../client/client.ts';
import { followOutputLog } from '../../outputlog/follow.ts';
import { HqError } from '../../protocol/errors.ts';
import type { JobInfo } from '../../protocol/schema/job.ts';
import type { TaskInfo } from '../../protocol/schema/task.ts';
import { allTasks } from '../allTasks.ts';
import type { Context } from '../context.ts';
import { failureCard } from '../snakemake/failureCard.ts';
import { isChosen, type JobChoice, selectRun } from '../snakemake/run.ts';
import { CHANNELS, prefixed, printLogs, tailBytes } from '../taskLogs.ts';

/** Of a failed job, unless `--lines` says otherwise. */
const LINES = 20;

export interface SnakemakeLogsOptions {
  readonly rule?: string;
  readonly wildcard?: readonly string[];
  readonly failed?: boolean;
  readonly lines?: number;
  readonly follow?: boolean;
}

export async function runSnakemakeLogs(context: Context, [text]: [string], options: SnakemakeLogsOptions): Promise<undefined> {
  if (context.mode === 'json') throw new HqError('HQ_E_LOG', { detail: "JSON output mode doesn't support the `logs` command" });
  const choice = { rule: options.rule, wildcards: options.wildcard ?? [] };
  const client = await context.client();
  const run = await selectRun(text, client);
  if (options.follow === true) return follow(context, client, { run, choice });
  const tasks = (await allTasks(client, run.id)).filter(({ label }) => isChosen(label, choice));
  if (tasks.length === 0) throw new HqError('HQ_E_NOTHING_SELECTED', { what: 'job of this run' });
  if (options.failed === true) return printFailed(context, client, { tasks, lines: options.lines ?? LINES });
  const directory = await logDirectory(client, run.id);
  if (!run.isOpen && directory !== null && !existsSync(directory)) {
    const detail = `the output of run ${run.id} is gone: that of a run without failures is removed at its end. Keep it with --hyperqueue-keep-logs always`;
    throw new HqError('HQ_E_LOG', { detail });
  }
  await printLogs(context, client, { tasks, channels: CHANNELS, header: jobHeader, lines: options.lines });
}

function jobHeader({ label, id }: TaskInfo, channel: string): string {
  return `# ${label ?? 'job'} (task ${id})${channel === 'stderr' ? ', stderr' : ''}\n`;
}

async function printFailed(
  context: Context,
  client: HqClient,
  { tasks, lines }: { tasks: readonly TaskInfo[]; lines: number },
): Promise<undefined> {
  const failed = tasks.filter(({ state }) => state === 'failed');
  if (failed.length === 0) context.note('no job has failed');
  const hosts = new Map((await client.listWorkers({ all: true })).map(({ id, configuration }) => [id, configuration.hostname]));
  for (const { jobId, id, workers } of failed) {
    const task = await client.taskDetail(jobId, id);
    await context.raw(failureCard({ task, host: hosts.get(workers[0] ?? 0), lines: await lastLines(client, task, lines) }));
  }
}

/** Standard error has all that the job's Snakemake says; standard output what is left to tell without it. @returns undefined where the log is gone */
async function lastLines(client: HqClient, { jobId, id }: TaskInfo, count: number): Promise<string[] | undefined> {
  let isGone = false;
  for (const channel of ['stderr', 'stdout'] as const) {
    const pieces: Uint8Array[] = [];
    try {
      for await (const piece of await client.taskOutput(jobId, id, { channel, tail: tailBytes(count) })) pieces.push(piece);
    } catch (error) {
      if (!(error instanceof HqError) || (error.code !== 'HQ_E_LOG' && error.code !== 'HQ_E_FILE')) throw error;
      isGone = true;
    }
    const lines = Buffer.concat(pieces)
      .toString()
      .split('\n')
      .filter((line) => line.trim() !== '');
    if (lines.length > 0) return lines.slice(-count);
  }
  return isGone ? undefined : [];
}

/** Lines of all chosen jobs as they come, also of jobs that are submitted later, until the run has ended. */
async function follow(context: Context, client: HqClient, { run, choice }: { run: JobInfo; choice: JobChoice }): Promise<undefined> {
  const directory = await logDirectory(client, run.id);
  if (directory === null) throw new HqError('HQ_E_LOG', { detail: `run ${run.id} has no jobs yet` });
  const labels = new Map<number, string | null>();
  const rests = new Map<string, Buffer>();
  const isDone = async (): Promise<boolean> => {
    const [now] = await client.listJobs({ ids: String(run.id) });
    return now === undefined || (!now.isOpen && now.stats.running + now.stats.waiting === 0);
  };
  const { serverUid } = await client.serverInfo();
  const events = followOutputLog(directory, {
    ...{ serverUid, jobId: run.id, signal: context.io.signal, isDone },
    onNotice: (notice) => context.warn(notice.text),
  });
  for await (const event of events) {
    if (event.kind !== 'data') continue;
    if (!labels.has(event.taskId)) for (const { id, label } of await allTasks(client, run.id)) labels.set(id, label);
    const label = labels.get(event.taskId) ?? null;
    if (!isChosen(label, choice)) continue;
    const key = `${event.taskId} ${event.channel}`;
    const all = Buffer.concat([rests.get(key) ?? Buffer.alloc(0), event.data]);
    const end = all.lastIndexOf(10) + 1;
    rests.set(key, all.subarray(end));
    if (end > 0) await context.raw(prefixed(all.subarray(0, end), `${label ?? 'job'}> `));
  }
  for (const [key, rest] of rests) {
    if (rest.length > 0)
      await context.raw(prefixed(Buffer.concat([rest, Buffer.from('\n')]), `${labels.get(Number.parseInt(key, 10)) ?? 'job'}> `));
  }
}

/** @returns the directory of the run's consolidated log; null before its first job */
async function logDirectory(client: HqClient, jobId: number): Promise<string | null> {
  return (await client.jobDetail(jobId)).submits[0]?.stream ?? null;
}
