/**
 * Finds out whether this process runs inside a batch job (Slurm, PBS or another that an allocation queue uses) and how long that job still has.
 * Called at the start of a worker.
 */
import { execFile } from 'node:child_process';
import { batchEnvironment, type ManagerChoice } from './batchEnvironment.ts';

export interface BatchJob {
  /** `PBS`, `Slurm`, `local` or the name of a plugin's batch system. */
  readonly manager: string;
  readonly id: string;
  /** Milliseconds until the batch system ends the job; null when it could not be found out. */
  readonly timeLeftMs: number | null;
}

/** Time for one question to the batch system, milliseconds; an overloaded one must not keep a worker from starting. */
const QUERY_TIMEOUT_MS = 20_000;

type Env = Readonly<Record<string, string | undefined>>;

/**
 * @param warn told in one line when the remaining time is unknown
 * @returns the job around this process, or null
 */
export async function detectBatchJob(choice: ManagerChoice, env: Env, warn: (line: string) => void): Promise<BatchJob | null> {
  const job = batchEnvironment(choice, env);
  if (job === undefined) return null;
  const { manager, id, endMs } = job;
  switch (manager) {
    case 'PBS':
      return { manager, id, timeLeftMs: await timeLeft({ command: ['qstat', '-f', '-F', 'json', id], parse: pbsTimeLeftMs, env, warn }) };
    case 'Slurm':
      return { manager, id, timeLeftMs: await timeLeft({ command: ['scontrol', 'show', 'job', id], parse: slurmTimeLeftMs, env, warn }) };
    default:
      return { manager, id, timeLeftMs: endMs === undefined ? null : Math.max(1, endMs - Date.now()) };
  }
}

/** @param text answer of `scontrol show job`; @returns milliseconds, null for a job without a limit, undefined when it cannot be read */
export function slurmTimeLeftMs(text: string): number | null | undefined {
  const limit = /\bTimeLimit=(\S+)/.exec(text)?.[1];
  const run = /\bRunTime=(\S+)/.exec(text)?.[1];
  if (limit === 'UNLIMITED') return null;
  const [limitSeconds, runSeconds] = [slurmSeconds(limit), slurmSeconds(run)];
  return limitSeconds === undefined || runSeconds === undefined ? undefined : Math.max(0, limitSeconds - runSeconds) * 1000;
}

/** @param text answer of `qstat -f -F json`; @returns milliseconds, null for a job without a limit, undefined when it cannot be read */
export function pbsTimeLeftMs(text: string): number | null | undefined {
  try {
    const { Jobs } = JSON.parse(text) as {
      Jobs?: Record<string, { Resource_List?: { walltime?: string }; resources_used?: { walltime?: string } }>;
    };
    const job = Object.values(Jobs ?? {})[0];
    if (job === undefined) return undefined;
    if (job.Resource_List?.walltime === undefined) return null;
    const limit = slurmSeconds(job.Resource_List.walltime);
    const used = slurmSeconds(job.resources_used?.walltime ?? '00:00:00');
    return limit === undefined || used === undefined ? undefined : Math.max(0, limit - used) * 1000;
  } catch {
    return undefined;
  }
}

/** `D-HH:MM:SS`, `HH:MM:SS` or `MM:SS`. */
function slurmSeconds(text: string | undefined): number | undefined {
  const match = /^(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)$/.exec(text ?? '');
  if (match === null) return undefined;
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0)) as [number, number, number, number];
  return ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
}

async function timeLeft(o: {
  command: [string, ...string[]];
  parse: (text: string) => number | null | undefined;
  env: Env;
  warn: (line: string) => void;
}): Promise<number | null> {
  const [program, ...args] = o.command;
  const answer = await new Promise<string | Error>((resolve) => {
    execFile(program, args, { timeout: QUERY_TIMEOUT_MS, env: o.env as NodeJS.ProcessEnv, encoding: 'utf8' }, (error, stdout) =>
      resolve(error ?? stdout),
    );
  });
  const found = answer instanceof Error ? undefined : o.parse(answer);
  if (found !== undefined) return found;
  o.warn(
    `the remaining time of the batch job is unknown (${answer instanceof Error ? answer.message.trim().split('\n')[0] : `${program} gave no times`})`,
  );
  return null;
}
