/**
 * Reads what Slurm says about jobs: the lines of `squeue` for all it remembers, those of `sacct` for older ones. Pure; used by the Slurm adapter.
 * States: man page of squeue, "JOB STATE CODES"; times are asked for in Unix seconds (SLURM_TIME_FORMAT), whatever zone the controller is in.
 */
import type { AllocationOutcome, BatchJobStatus, BatchReason } from './batchSystem.ts';
import { isHopeless, reasonText } from './slurmReasons.ts';

/** Columns of `squeue --Format`, characters. Values are cut there, so the widths are generous; the comment, which may hold anything, is last. */
const COLUMNS = {
  JobID: 20,
  State: 24,
  Reason: 64,
  StartTime: 24,
  EndTime: 24,
  RestartCnt: 12,
  exit_code: 16,
  NodeList: 24,
  Comment: 1_024,
} as const;

/** Argument of `squeue --Format`. */
export const SQUEUE_FORMAT: string = Object.entries(COLUMNS)
  .map(([name, width]) => `${name}:${width}`)
  .join(',');

/** Argument of `sacct --format`, with `--parsable2`: fields between bars. */
export const SACCT_FORMAT = 'JobIDRaw,State,Start,End,ExitCode,Reason,NodeList,Comment';

/** Variables that both commands need for the answers that are read here. */
export const TIME_FORMAT: Readonly<Record<string, string>> = { SLURM_TIME_FORMAT: '%s' };

type Field = keyof typeof COLUMNS;

/** A job as a line has it, before anything is understood. */
export type SlurmJob = Readonly<Record<Field, string>>;

/** @param text answer of `squeue --noheader --Format` with `SQUEUE_FORMAT` */
export function readSqueue(text: string): SlurmJob[] {
  return lines(text).map((line) => {
    let at = 0;
    const fields = Object.entries(COLUMNS).map(([name, width]) => {
      const value = line.slice(at, at + width).trim();
      at += width;
      return [name, value];
    });
    return Object.fromEntries(fields) as SlurmJob;
  });
}

/** @param text answer of `sacct --noheader --parsable2` with `SACCT_FORMAT` */
export function readSacct(text: string): SlurmJob[] {
  return lines(text).map((line) => {
    const [JobID = '', State = '', StartTime = '', EndTime = '', exit_code = '', Reason = '', NodeList = '', ...comment] = line.split('|');
    return { JobID, State, StartTime, EndTime, RestartCnt: '', exit_code, Reason, NodeList, Comment: comment.join('|') };
  });
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}

const OUTCOMES: Readonly<Record<string, AllocationOutcome>> = {
  BOOT_FAIL: 'boot failed',
  CANCELLED: 'canceled',
  COMPLETED: 'finished',
  DEADLINE: 'canceled',
  FAILED: 'failed',
  LAUNCH_FAILED: 'launch failed',
  NODE_FAIL: 'node failed',
  OUT_OF_MEMORY: 'out of memory',
  PREEMPTED: 'preempted',
  RECONFIG_FAIL: 'boot failed',
  REVOKED: 'canceled',
  TIMEOUT: 'timed out',
};

const RUNNING: ReadonlySet<string> = new Set([
  'RUNNING',
  'COMPLETING',
  'CONFIGURING',
  'RESIZING',
  'SIGNALING',
  'STAGE_OUT',
  'POWER_UP_NODE',
]);
const SUSPENDED: ReadonlySet<string> = new Set(['SUSPENDED', 'STOPPED']);

/** Everything else is before its start: PENDING, REQUEUED, REQUEUE_HOLD, SPECIAL_EXIT, RESV_DEL_HOLD and words of Slurms to come. */
export function slurmStatus(job: SlurmJob): BatchJobStatus {
  // sacct: "CANCELLED by 1001"
  const rawState = job.State.split(/[\s+]/)[0] ?? '';
  const common = {
    rawState,
    reason: reasonOf(job.Reason),
    restarts: Number(job.RestartCnt) || 0,
    comment: commentOf(job.Comment),
    startMs: unixMs(job.StartTime),
    endMs: unixMs(job.EndTime),
  };
  if (RUNNING.has(rawState)) return { ...common, state: 'running' };
  if (SUSPENDED.has(rawState)) return { ...common, state: 'suspended' };
  const outcome = OUTCOMES[rawState];
  if (outcome === undefined)
    return { ...common, state: 'queued', endMs: null, hopeless: common.reason !== null && isHopeless(common.reason.code) };
  const launched = job.Reason === 'JobLaunchFailure' ? 'launch failed' : outcome;
  // A job that is canceled before its start has the time of that as its start, but no node.
  const ran = job.NodeList !== '' && !/^(None assigned|\(null\))$/.test(job.NodeList);
  return { ...common, state: 'ended', outcome: launched, exitCode: exitCodeOf(job.exit_code), startMs: ran ? common.startMs : null };
}

function reasonOf(code: string): BatchReason | null {
  return code === '' || code === 'None' || code === '(null)' ? null : { code, text: reasonText(code) };
}

/** Ours is at the end of what the user may have typed as a comment. Empty: the job has none, so it is not ours. */
function commentOf(text: string): string {
  return /(?:^|\s)(hq:[A-Za-z0-9]+:\d+:\d+)$/.exec(text)?.[1] ?? (text === '(null)' ? '' : text);
}

/** `N/A`, `Unknown` and `None` mean that there is no time yet. */
function unixMs(text: string): number | null {
  return /^\d+$/.test(text) ? Number(text) * 1_000 : null;
}

/** squeue prints the status as wait(2) has it, sacct `exit code:signal`. */
function exitCodeOf(text: string): number | null {
  const [code, signal] = text.split(':').map(Number);
  if (code === undefined || !Number.isInteger(code)) return null;
  if (signal !== undefined) return signal === 0 ? code : null;
  return (code & 0x7f) === 0 ? (code >> 8) & 0xff : null;
}
