/** The property table of `job info`. */
import { formatAmount } from '../../common/amount.ts';
import { formatDuration } from '../../common/duration.ts';
import { formatEntry, parseRequest } from '../../common/requestText.ts';
import { jobState } from '../../protocol/jobState.ts';
import { UNITS_PER_WHOLE } from '../../protocol/resourceTerms.ts';
import type { JobDetail } from '../../protocol/schema/job.ts';
import type { RequestSpec } from '../../protocol/schema/resources.ts';
import type { StdioSpec, TaskInfo, TaskSpec } from '../../protocol/schema/task.ts';
import { sortedIds } from './idText.ts';
import { type Cell, utcTime } from './tables.ts';

type Row = readonly [string, Cell];

export function jobRows(job: JobDetail, tasks: readonly TaskInfo[]): Row[] {
  const workers = new Set(tasks.flatMap((task) => task.workers));
  const end = job.finishedAtMs ?? Date.now();
  const rows: Row[] = [
    ['ID', job.id],
    ['Name', job.name],
    ['State', stateText(job)],
    ...(job.cancelReason === null ? [] : [['Cancel Reason', job.cancelReason] as const]),
    ['Session', job.isOpen ? 'open' : 'closed'],
    ['Tasks', job.taskCount === 0 ? '0' : `${job.taskCount}; Ids: ${sortedIds(job.taskIds)}`],
    ['Workers', [...workers].sort((a, b) => a - b).join(', ')],
  ];
  const [only] = job.submits;
  if (job.submits.length === 1 && only?.kind === 'array') rows.push(...specRows(only.specs[0] as TaskSpec, only));
  rows.push(['Submission date', utcTime(job.submittedAtMs)]);
  if (only !== undefined) rows.push(['Submission directory', only.submitDir]);
  rows.push(['Makespan', formatDuration(end - job.submittedAtMs)]);
  return rows;
}

/** Rows of what was submitted for one task or a whole array. */
export function specRows(spec: TaskSpec, o: { submitDir: string; stream: string | null }): Row[] {
  const channel = (given: StdioSpec | undefined, name: string): string => {
    if (given === null) return '<None>';
    if (given !== undefined) return given.path + (given.onClose === 'rm-if-finished' ? ':rm-if-finished' : '');
    return o.stream === null ? `%{CWD}/job-%{JOB_ID}/%{TASK_ID}.${name}` : `<stream ${o.stream}>`;
  };
  return [
    ['Resources', requestText(spec.request)],
    ['Pin', spec.pin ?? 'None'],
    ['Priority', spec.priority],
    ['Command', spec.command.join('\n')],
    ['Stdout', channel(spec.stdout, 'stdout')],
    ['Stderr', channel(spec.stderr, 'stderr')],
    [
      'Environment',
      Object.entries(spec.env)
        .map(([name, value]) => `${name}=${value}`)
        .join('\n'),
    ],
    ['Working directory', spec.cwd ?? o.submitDir],
    ['Task time limit', spec.timeLimitMs === undefined ? 'None' : formatDuration(spec.timeLimitMs)],
    ['Crash limit', spec.crashLimit],
    ...(spec.maxRetries > 0 ? [['Retries', retriesText(spec)] as const] : []),
  ];
}

function retriesText(spec: TaskSpec): string {
  const parts = [String(spec.maxRetries)];
  if (spec.retryOn !== undefined) parts.push(`on: ${spec.retryOn.join(', ')}`);
  if (spec.retryDelayMs !== undefined) parts.push(`delay: ${formatDuration(spec.retryDelayMs)}`);
  if (spec.retryMemFactor !== undefined) parts.push(`mem: x ${spec.retryMemFactor} each time`);
  return parts.join('\n');
}

export function requestText(request: readonly RequestSpec[]): string {
  const variants = parseRequest(request).variants.map((variant) => {
    const parts = variant.nodes > 0 ? [`nodes: ${variant.nodes}`] : variant.entries.map((entry) => `${entry.name}: ${formatEntry(entry)}`);
    if (variant.weight !== UNITS_PER_WHOLE) parts.push(`weight: ${formatAmount(variant.weight)}`);
    if (variant.minTimeMs > 0) parts.push(`time: ${formatDuration(variant.minTimeMs)}`);
    return parts.join('\n');
  });
  return variants.length === 1 ? (variants[0] as string) : variants.map((text, index) => `# Variant ${index + 1}\n${text}`).join('\n');
}

/** One word, or a line per state when tasks differ. */
function stateText(job: JobDetail): string {
  const { stats } = job;
  const states = (['running', 'finished', 'failed', 'canceled', 'waiting', 'aborted'] as const).filter((state) => stats[state] > 0);
  if (job.taskCount <= 1 || states.length === 0) return jobState(job);
  const done = job.taskCount - stats.waiting - stats.running;
  const width = 40;
  const filled = Math.floor((done / job.taskCount) * width);
  return [
    `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]`,
    ...states.map((state) => `${state.toUpperCase()} (${stats[state]})`),
  ].join('\n');
}
