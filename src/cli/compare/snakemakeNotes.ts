/**
 * What was noted of a workflow: by Snakemake's logger, when jobs were submitted and known to have ended (plugins/compare), and by the shells of the jobs, how long
 * their commands took. Joined to the tasks of a run. Pure. Used by the sides on Snakemake.
 */
import * as z from 'zod';
import type { ComparedTask } from '../../protocol/schema/compare.ts';

const atMs = z.number();
const job = z.int();
const note = z.discriminatedUnion('event', [
  z.object({ event: z.literal('job_info'), atMs, job, rule: z.string(), local: z.boolean(), threads: z.number(), target: z.string() }),
  z.object({ event: z.literal('job_started'), atMs, jobs: z.array(job) }),
  z.object({ event: z.literal('job_finished'), atMs, job }),
  z.object({ event: z.literal('job_error'), atMs, job }),
]);

/** Start and end of the commands of one job, Unix milliseconds; the time between two commands of it does not count. */
export interface CommandTimes {
  readonly startMs: number;
  readonly endMs: number;
  readonly runMs: number;
}

/** @param text lines of `start end target` in Unix seconds, in any order @returns by target */
export function readCommandTimes(text: string): Map<string, CommandTimes> {
  const found = new Map<string, CommandTimes>();
  for (const [, start, end, target = ''] of text.matchAll(/^(\d+\.\d+) (\d+\.\d+) (.+)$/gm)) {
    const [startMs, endMs] = [Number(start) * 1_000, Number(end) * 1_000];
    const known = found.get(target);
    found.set(target, {
      startMs: Math.min(startMs, known?.startMs ?? startMs),
      endMs: Math.max(endMs, known?.endMs ?? endMs),
      runMs: endMs - startMs + (known?.runMs ?? 0),
    });
  }
  return found;
}

interface Seen {
  submittedAtMs?: number;
  endedAtMs?: number;
  failed: boolean;
  info?: Extract<z.infer<typeof note>, { event: 'job_info' }>;
}

/**
 * @param text JSON lines of Snakemake's logger
 * @param startedAtMs of the run, Unix milliseconds
 * @returns the jobs that went to the executor, in the order of their submission; those that Snakemake runs itself are left out
 * @throws ZodError for lines of another logger
 */
export function readSnakemakeTasks(text: string, times: ReadonlyMap<string, CommandTimes>, startedAtMs: number): ComparedTask[] {
  const jobs = new Map<number, Seen>();
  const seen = (id: number): Seen => {
    const known = jobs.get(id) ?? { failed: false };
    jobs.set(id, known);
    return known;
  };
  for (const line of text.split('\n').filter(Boolean)) {
    const one = note.parse(JSON.parse(line));
    if (one.event === 'job_started') for (const id of one.jobs) seen(id).submittedAtMs ??= one.atMs;
    else if (one.event === 'job_info') seen(one.job).info = one;
    else {
      seen(one.job).endedAtMs = one.atMs;
      seen(one.job).failed = one.event === 'job_error';
    }
  }
  const since = (moment: number | undefined): number | null => (moment === undefined ? null : moment - startedAtMs);
  return [...jobs].flatMap(([id, { submittedAtMs, endedAtMs, failed, info }]) => {
    if (submittedAtMs === undefined || info === undefined || info.local) return [];
    const own = times.get(info.target);
    return {
      name: `${info.rule} ${id}`,
      submittedMs: submittedAtMs - startedAtMs,
      startedMs: since(own?.startMs),
      endedMs: since(own?.endMs),
      noticedMs: since(endedAtMs),
      runMs: own?.runMs ?? null,
      cpus: info.threads,
      failed: failed || endedAtMs === undefined,
    };
  });
}

/**
 * Adds default resources to arguments of Snakemake, which keeps the last `--default-resources` only.
 * @param resources like `slurm_partition=short`
 * @returns new arguments
 */
export function withDefaultResources(args: readonly string[], resources: readonly string[]): string[] {
  if (resources.length === 0) return [...args];
  const at = args.findIndex((arg) => /^--default-res(ources|ources=.*)$|^--default-resources$/.test(arg));
  if (at < 0) return [...args, '--default-resources', ...resources];
  const [flag = '', first] = (args[at] as string).split(/=(.*)/s);
  return [...args.slice(0, at), flag, ...(first === undefined ? [] : [first]), ...resources, ...args.slice(at + 1)];
}
