/** Attempts of jobs -> one line per rule, with what to ask for next time. Pure. Used by `hq report snakemake`. */
import type { JobAttempt, RuleAdvice, RuleUsage, SnakemakeReport } from '../../protocol/schema/snakemakeReport.ts';
import { median } from '../median.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;

const ADVICE = {
  /** Start and end of a shorter job count for more than what it does, milliseconds. */
  judgedMs: 1_000,
  /** CPUs that a job keeps busy beside its threads: it starts programs, and its Snakemake. */
  cpuSlack: 0.2,
  /** What is asked for is to be more than what was used: other inputs may need more. */
  memory: 1.2,
  time: 1.5,
  /** After a job was ended by its limit nobody knows what it needs. */
  afterLimit: 2,
  /** Round numbers, MiB. */
  memoryStep: 50,
  /** A request is left alone as long as it is no more than so many times what is advised. */
  close: 1.25,
  closeTime: 2,
} as const;

/** @param o.attempts in the order of their starts @returns the whole report */
export function makeReport(o: {
  readonly job: Pick<SnakemakeReport, 'jobId' | 'name' | 'startedAt'>;
  readonly attempts: readonly JobAttempt[];
  readonly hosts: ReadonlyMap<number, string>;
}): SnakemakeReport {
  const byRule = new Map<string, JobAttempt[]>();
  for (const attempt of o.attempts) {
    const others = byRule.get(attempt.rule);
    if (others === undefined) byRule.set(attempt.rule, [attempt]);
    else others.push(attempt);
  }
  const workers = [...new Set(o.attempts.map(({ worker }) => worker))].sort((a, b) => a - b);
  return {
    version: 1,
    ...o.job,
    wallMs: o.attempts.reduce((last, { endedMs }) => Math.max(last, endedMs), 0),
    rules: [...byRule].map(([rule, attempts]) => usageOf(rule, attempts)),
    workers: workers.map((id) => ({ id, host: o.hosts.get(id) ?? 'unknown' })),
    attempts: [...o.attempts],
  };
}

function usageOf(rule: string, attempts: readonly JobAttempt[]): RuleUsage {
  const measured = attempts.filter(({ cpuMs, cpus }) => cpuMs !== null && cpus !== null);
  const capacity = measured.reduce((sum, { wallMs, cpus }) => sum + wallMs * (cpus ?? 0), 0);
  const usage = {
    rule,
    jobs: new Set(attempts.map(({ taskId }) => taskId)).size,
    attempts: attempts.length,
    failed: attempts.filter(({ outcome }) => outcome === 'failed').length,
    cpus: highest(attempts.map(({ cpus }) => cpus)),
    cpusUsed: busiest(attempts),
    cpuEfficiency: capacity === 0 ? null : measured.reduce((sum, { cpuMs }) => sum + (cpuMs ?? 0), 0) / capacity,
    memBytes: highest(attempts.map(({ memBytes }) => memBytes)),
    peakMemBytes: highest(attempts.map(({ peakMemBytes }) => peakMemBytes)),
    limitMs: highest(attempts.map(({ limitMs }) => limitMs)),
    wallMedianMs: median(attempts.map(({ wallMs }) => wallMs)) ?? 0,
    wallMostMs: highest(attempts.map(({ wallMs }) => wallMs)) ?? 0,
    waitMedianMs: median(attempts.flatMap(({ submittedMs, startedMs }) => (submittedMs === null ? [] : [startedMs - submittedMs]))) ?? null,
  };
  return { ...usage, advice: adviceOf(usage, attempts) };
}

/** A job that failed may have done half of its work: only those that finished tell what is needed, and those that hit a limit that it was too low. */
function adviceOf(usage: Usage, attempts: readonly JobAttempt[]): RuleAdvice {
  const failures = new Set(attempts.map(({ failure }) => failure));
  const finished = attempts.filter(({ outcome }) => outcome === 'finished');
  const used: Usage = {
    ...usage,
    cpusUsed: busiest(finished),
    peakMemBytes: highest(finished.map(({ peakMemBytes }) => peakMemBytes)),
    wallMostMs: highest(finished.map(({ wallMs }) => wallMs)) ?? 0,
  };
  return {
    threads: threadsOf(used),
    mem_mb: memoryOf(used, failures),
    runtime: finished.length === 0 && !failures.has('time-limit') ? null : runtimeOf(used, failures),
  };
}

/** CPUs that the busiest attempt kept busy on average; null when none was long enough to tell. */
function busiest(attempts: readonly JobAttempt[]): number | null {
  return highest(
    attempts.filter(({ wallMs }) => wallMs >= ADVICE.judgedMs).map(({ cpuMs, wallMs }) => (cpuMs === null ? null : cpuMs / wallMs)),
  );
}

type Usage = Omit<RuleUsage, 'advice'>;

function threadsOf({ cpus, cpusUsed }: Usage): RuleAdvice['threads'] {
  if (cpus === null || cpusUsed === null) return null;
  const wanted = Math.max(1, Math.ceil(cpusUsed - ADVICE.cpuSlack));
  return wanted < cpus ? wanted : null;
}

function memoryOf({ memBytes, peakMemBytes }: Usage, failures: ReadonlySet<string | null>): RuleAdvice['mem_mb'] {
  if (memBytes !== null && failures.has('memory-limit')) return Math.ceil((memBytes * ADVICE.afterLimit) / MIB);
  if (peakMemBytes === null) return null;
  const wanted = Math.ceil((peakMemBytes * ADVICE.memory) / MIB / ADVICE.memoryStep) * ADVICE.memoryStep;
  const isClose = memBytes !== null && memBytes >= peakMemBytes && memBytes <= wanted * MIB * ADVICE.close;
  return isClose ? null : wanted;
}

function runtimeOf({ limitMs, wallMostMs }: Usage, failures: ReadonlySet<string | null>): RuleAdvice['runtime'] {
  if (limitMs !== null && failures.has('time-limit')) return Math.ceil((limitMs * ADVICE.afterLimit) / MINUTE_MS);
  const wanted = Math.max(1, Math.ceil((wallMostMs * ADVICE.time) / MINUTE_MS));
  const isClose = limitMs !== null && limitMs <= wanted * MINUTE_MS * ADVICE.closeTime;
  return isClose ? null : wanted;
}

function highest(values: readonly (number | null)[]): number | null {
  return values.reduce((most, value) => (value !== null && (most === null || value > most) ? value : most), null);
}
