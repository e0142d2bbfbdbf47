/** Reads what qacct says about jobs that have ended. Pure; used by `gridEngine.ts`. Facts: qacct(1), accounting(5), records of Grid Engine 8.1.9. */
import type { BatchReason, EndedStatus } from '../../../../src/server/autoalloc/batchSystem.ts';
import { failureOf } from './reasons.ts';

/** A record of the accounting. Times are Unix milliseconds; null: it never ran. */
export interface EndRecord {
  readonly id: string;
  readonly submittedMs: number | null;
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly failed: number;
  readonly failedText: string;
  readonly exitStatus: number | null;
  /** Milliseconds; null where the job had none. */
  readonly timeLimitMs: number | null;
}

/**
 * @param text of `qacct -j`: `name value` lines, a line of `=` before each record
 * @returns one record per job. Its parts on other hosts have records of their own, which look alike: they start later and end earlier than the job.
 */
export function readAccounting(text: string): ReadonlyMap<string, EndRecord> {
  const jobs = new Map<string, EndRecord>();
  for (const part of text.split(/^=+$/m)) {
    const fields = new Map([...part.matchAll(/^(\w+) +(\S.*?) *$/gm)].map(([, name, value]) => [name as string, value as string]));
    const id = fields.get('jobnumber');
    if (id === undefined) continue;
    const record = recordOf(id, fields);
    const other = jobs.get(id);
    if (other === undefined || isWhole(record, other)) jobs.set(id, record);
  }
  return jobs;
}

/** Of two records under one id: whether the second one read is the job's. A later submission means that the id was given out again. */
function isWhole(record: EndRecord, other: EndRecord): boolean {
  const [end, otherEnd] = [record.endMs ?? 0, other.endMs ?? 0];
  return end > otherEnd || (end === otherEnd && (record.startMs ?? 0) <= (other.startMs ?? 0));
}

function recordOf(id: string, fields: ReadonlyMap<string, string>): EndRecord {
  const [failed = '0', failedText = ''] = (fields.get('failed') ?? '0').split(/ *: */);
  const exit = /^\d+/.exec(fields.get('exit_status') ?? '');
  const limit = /(?:^|[ ,])h_rt=(\d+)(?:[ ,]|$)/.exec(fields.get('category') ?? '');
  return {
    id,
    submittedMs: timeMs(fields.get('qsub_time')),
    startMs: timeMs(fields.get('start_time')),
    endMs: timeMs(fields.get('end_time')),
    failed: Number(failed),
    failedText: failedText.trim(),
    exitStatus: exit === null ? null : Number(exit[0]),
    timeLimitMs: limit === null ? null : Number(limit[1]) * 1_000,
  };
}

/** @param comment what is known of it: the accounting has none; @param canceled whether its end was asked for here */
export function endStatus(record: EndRecord, comment: string | null, canceled: boolean): EndedStatus {
  const { startMs, endMs, failed, failedText, exitStatus } = record;
  const common = { state: 'ended', rawState: `failed ${failed}`, comment, restarts: 0, startMs, endMs } as const;
  const failure = failureOf(failed);
  if (failure !== null) {
    const outcome = canceled ? 'canceled' : failure[0];
    return { ...common, outcome, exitCode: null, reason: { code: `failed ${failed}: ${failedText}`, text: failure[1] } };
  }
  if (exitStatus === 0) return { ...common, outcome: 'finished', exitCode: 0, reason: null };
  const signal = exitStatus !== null && exitStatus > 128 && failed === 100 ? exitStatus - 128 : null;
  return {
    ...common,
    outcome: outcomeOf(record, canceled, signal),
    exitCode: signal === null ? exitStatus : null,
    reason: reasonOf(exitStatus, signal),
  };
}

/** qdel and the time limit both end a job by SIGKILL, after SIGTERM where the site wants that. */
function outcomeOf({ startMs, endMs, timeLimitMs }: EndRecord, canceled: boolean, signal: number | null): EndedStatus['outcome'] {
  if (canceled) return 'canceled';
  if (signal === null) return 'failed';
  if (startMs !== null && endMs !== null && timeLimitMs !== null && endMs - startMs >= timeLimitMs) return 'timed out';
  return signal === 9 || signal === 15 ? 'canceled' : 'failed';
}

function reasonOf(exitStatus: number | null, signal: number | null): BatchReason {
  if (signal !== null) return { code: `signal ${signal}`, text: 'a signal ended it' };
  return { code: `exit_status ${exitStatus ?? 'unknown'}`, text: 'its script ended with an error' };
}

/** `Thu Nov 26 01:55:52 2026`, in the zone of this process; `-/-` when it did not happen. */
function timeMs(text: string | undefined): number | null {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) || ms <= 0 ? null : ms;
}
