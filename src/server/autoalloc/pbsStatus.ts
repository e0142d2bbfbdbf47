/**
 * Reads what PBS says about jobs (`qstat -f -F json -x`). Pure; used by the PBS adapter. States and exit codes: PBS Professional Reference Guide,
 * "Job States" and "Job Exit Codes", and the behaviour of OpenPBS 23.06. Times are in the zone of this process, as qstat prints them.
 */
import * as z from 'zod';
import type { AllocationOutcome, BatchJobStatus, BatchReason } from './batchSystem.ts';

/** Variable of the job that carries our comment: PBS has no such attribute that a user may set. */
export const COMMENT_VARIABLE = 'HQ_ALLOCATION_COMMENT';

const pbsJob = z.object({
  job_state: z.string(),
  comment: z.string().optional(),
  stime: z.string().optional(),
  mtime: z.string().optional(),
  Exit_status: z.int().optional(),
  Hold_Types: z.string().optional(),
  run_count: z.int().optional(),
  Resource_List: z.object({ walltime: z.string().optional() }).optional(),
  estimated: z.object({ start_time: z.string().optional() }).optional(),
  Variable_List: z.record(z.string(), z.unknown()).optional(),
});
type PbsJob = z.infer<typeof pbsJob>;

const answer = z.object({ Jobs: z.record(z.string(), pbsJob).default({}) });

/** @returns jobs by id; undefined when the text is no answer of qstat */
export function readQstat(text: string): ReadonlyMap<string, BatchJobStatus> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const read = answer.safeParse(value);
  if (!read.success) return undefined;
  return new Map(Object.entries(read.data.Jobs).map(([id, job]) => [id, pbsStatus(job)]));
}

/** R: runs. B: an array of which something runs. E: its output is being copied. */
const RUNNING: ReadonlySet<string> = new Set(['R', 'B', 'E']);
/** S: by the server, for another job. U: its workstation is in use. */
const SUSPENDED: ReadonlySet<string> = new Set(['S', 'U']);
/** F: finished. X: the same for a part of an array. */
const ENDED: ReadonlySet<string> = new Set(['F', 'X']);

/** All others wait: Q, H (held), W (for its time), T (in transit). */
function pbsStatus(job: PbsJob): BatchJobStatus {
  const rawState = job.job_state;
  const ran = unixMs(job.stime) !== null;
  const comment = job.Variable_List?.[COMMENT_VARIABLE];
  const common = {
    rawState,
    startMs: unixMs(job.stime),
    endMs: null,
    comment: typeof comment === 'string' ? comment : '',
    restarts: Math.max(0, (job.run_count ?? 0) - (RUNNING.has(rawState) || SUSPENDED.has(rawState) || ENDED.has(rawState) ? 1 : 0)),
  };
  if (RUNNING.has(rawState)) return { ...common, state: 'running', reason: null, endMs: limitMs(job) };
  if (SUSPENDED.has(rawState)) return { ...common, state: 'suspended', reason: commentReason(job.comment) };
  if (ENDED.has(rawState)) {
    const status = job.Exit_status ?? null;
    const outcome = outcomeOf(status, ran);
    const exitCode = status !== null && status >= 0 && status < 256 ? status : null;
    return { ...common, state: 'ended', outcome, exitCode, endMs: unixMs(job.mtime), reason: exitReason(status) };
  }
  // To another server, which is not asked.
  if (rawState === 'M') return { ...common, state: 'vanished', reason: null };
  const reason = holdReason(job) ?? commentReason(job.comment);
  const hopeless = /^can never run/i.test(job.comment ?? '');
  return { ...common, state: 'queued', hopeless, reason, startMs: unixMs(job.estimated?.start_time) };
}

/** Below zero: PBS ended it; 256 + number of a signal: the signal did. */
const EXITS: ReadonlyMap<number, readonly [AllocationOutcome, string]> = new Map([
  [-1, ['launch failed', 'it could not be started, before its files were there']],
  [-2, ['launch failed', 'it could not be started, after its files were there']],
  [-3, ['launch failed', 'it could not be started and was to be tried again']],
  [-10, ['launch failed', 'its user is not known on the node']],
  [-11, ['node failed', 'it was ended to be run again']],
  [-14, ['node failed', 'a node of it was lost']],
  [-16, ['launch failed', 'a hook of the site failed']],
  [-17, ['launch failed', 'a hook of the site failed']],
  [-18, ['launch failed', 'a hook of the site ended it']],
  [-19, ['launch failed', 'a hook of the site ended it']],
  [-20, ['node failed', 'a node of it was lost']],
  [-21, ['launch failed', 'its user may not run there']],
  [-24, ['failed', 'it used more CPUs than it was given']],
  [-25, ['failed', 'it used more CPUs than it was given']],
  [-26, ['out of memory', 'it used more virtual memory than it was given']],
  [-27, ['out of memory', 'it used more memory than it was given']],
  [-28, ['timed out', 'its limit of CPU time was reached']],
  [-29, ['timed out', 'its time limit was reached']],
  [256 + 15, ['canceled', 'it was deleted']],
]);

function outcomeOf(status: number | null, ran: boolean): AllocationOutcome {
  // Deleted while it was waiting: there was no script that could have a status.
  if (status === null) return ran ? 'failed' : 'canceled';
  if (status === 0) return 'finished';
  return EXITS.get(status)?.[0] ?? (status < 0 ? 'launch failed' : 'failed');
}

function exitReason(status: number | null): BatchReason | null {
  if (status === null || status === 0) return null;
  const ended = status > 256 ? `signal ${status - 256} ended it` : 'its script ended with an error';
  return { code: `Exit_status ${status}`, text: EXITS.get(status)?.[1] ?? (status < 0 ? 'PBS could not run it' : ended) };
}

const HOLDS: Readonly<Record<string, string>> = {
  u: 'it is held by its user; release it with: qrls',
  o: 'it is held by an operator',
  s: 'it is held by the system or an administrator',
  p: 'it is held because of a wrong password',
};

function holdReason({ job_state, Hold_Types = '' }: PbsJob): BatchReason | null {
  const kind = Hold_Types.replaceAll('n', '');
  if (job_state !== 'H' || kind === '') return null;
  return { code: `Hold_Types ${kind}`, text: HOLDS[kind[0] as string] ?? 'it is held' };
}

/** What the scheduler writes into the comment of a job, and what it means. */
const COMMENTS: readonly (readonly [RegExp, string])[] = [
  [/insufficient amount of (?:server |queue )?resource:? (\S+)/i, 'there is not enough of $1'],
  [/not enough (?:free )?nodes|no free nodes|not enough total nodes/i, 'there are not enough nodes'],
  [/(?:user|group|project|queue|server|complex).*limit/i, 'a limit of the site is reached'],
  [/queue.*not started|queue is not running/i, 'its queue is stopped'],
  [/reservation|dedicated time/i, 'its time would run into a reservation or dedicated time'],
  [/prime ?time/i, 'it may only run at other times of the day'],
  [/strict order|top job|backfill/i, 'jobs before it must start first'],
];

function commentReason(comment: string | undefined): BatchReason | null {
  const code = /^(?:not running|can never run): *(.+)$/is.exec(comment ?? '')?.[1]?.trim();
  if (code === undefined) return null;
  for (const [pattern, text] of COMMENTS) {
    const match = pattern.exec(code);
    if (match !== null) return { code, text: text.replace('$1', match[1] ?? '') };
  }
  return { code, text: 'its scheduler gives a reason' };
}

/** `Thu Aug 19 13:05:38 2021`, local. */
function unixMs(text: string | undefined): number | null {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

function limitMs({ stime, Resource_List }: PbsJob): number | null {
  const start = unixMs(stime);
  const parts = /^(\d+):(\d\d):(\d\d)$/
    .exec(Resource_List?.walltime ?? '')
    ?.slice(1)
    .map(Number);
  if (start === null || parts === undefined) return null;
  const [hours, minutes, seconds] = parts as [number, number, number];
  return start + ((hours * 60 + minutes) * 60 + seconds) * 1_000;
}
