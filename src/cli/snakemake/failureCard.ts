/** What is shown of a failed job of Snakemake: why, where, what it ran and used, the last lines it printed. Pure. Used by `hq logs snakemake --failed`. */
import { formatDuration } from '../../common/duration.ts';
import { formatSize } from '../../common/size.ts';
import type { TaskDetail } from '../../protocol/schema/task.ts';
import { makespan, peakMemory } from '../output/taskRows.ts';

export interface FailedJob {
  readonly task: TaskDetail;
  /** Host of its worker; undefined where that is not known any more. */
  readonly host: string | undefined;
  /** The last lines that tell something; undefined where they were not kept. Standard error has all that the job's Snakemake says. */
  readonly lines: Readonly<Record<'stdout' | 'stderr', readonly string[]>> | undefined;
}

/** @returns several lines, the last one ended */
export function failureCard({ task, host, lines }: FailedJob): string {
  const place = host === undefined ? '' : ` on ${host}`;
  const after = makespan(task);
  return [
    `# ${task.label ?? 'job'} (task ${task.id} of job ${task.jobId}) failed${place}${after === '' ? '' : ` after ${after}`}: ${reasonOf(task)}`,
    `  command: ${task.spec.command.join(' ')}`,
    `  peak memory: ${memoryText(task)}`,
    ...outputLines(lines),
    '',
  ].join('\n');
}

function outputLines(lines: FailedJob['lines']): string[] {
  if (lines === undefined) return ['  what it has printed was not kept'];
  const { stdout, stderr } = lines;
  if (stdout.length + stderr.length === 0) return ['  it has printed nothing'];
  const section = (title: string, of: readonly string[]): string[] => (of.length === 0 ? [] : [title, ...of.map((line) => `    ${line}`)]);
  return [...section('  last lines on standard output:', stdout), ...section('  last lines:', stderr)];
}

function reasonOf({ failure, exitCode, signal, error, spec }: TaskDetail): string {
  if (failure === 'exit') return `exit code ${exitCode}`;
  if (failure === 'signal') return `killed by signal ${signal}`;
  if (failure === 'time-limit' && spec.timeLimitMs !== undefined)
    return `it exceeded its time limit of ${formatDuration(spec.timeLimitMs)} (resource runtime)`;
  if (failure === 'memory-limit') return `memory limit (resource mem_mb): ${error}`;
  return error ?? failure ?? 'unknown';
}

function memoryText(task: TaskDetail): string {
  const asked = task.spec.request[0]?.resources?.['mem'];
  const requested = asked === undefined ? '' : `, requested: ${typeof asked === 'number' ? formatSize(asked * 1024 * 1024) : asked}`;
  return `${peakMemory(task) || 'unknown'}${requested}`;
}
