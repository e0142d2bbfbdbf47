/** HyperQueue's JSON shapes of jobs, submits and tasks out of the API's. Keys and nullability are a contract with scripts. */
import { parseRequest } from '../../common/requestText.ts';
import type { JobInfo, SubmitInfo } from '../../protocol/schema/job.ts';
import type { AllocationPolicy, ResourceEntry } from '../../protocol/schema/resources.ts';
import type { StdioSpec, TaskInfo, TaskSpec } from '../../protocol/schema/task.ts';
import { date, type Float, seconds } from './jsonText.ts';

export function jobInfoJson(job: JobInfo): Record<string, unknown> {
  return {
    id: job.id,
    name: job.name,
    task_count: job.taskCount,
    is_open: job.isOpen,
    cancel_reason: job.cancelReason,
    task_stats: job.stats,
  };
}

/** Keys of a start are there only once there was one, as in the original. */
export function taskJson(task: TaskInfo, extras: boolean): Record<string, unknown> {
  const started = task.startedAtMs !== null;
  const ran = started && ['running', 'finished', 'failed'].includes(task.state);
  return {
    id: task.id,
    state: task.state,
    ...(started
      ? {
          cwd: task.cwd,
          stdout: task.stdout === '<stream>' ? '<pipe>' : task.stdout,
          stderr: task.stderr === '<stream>' ? '<pipe>' : task.stderr,
        }
      : {}),
    ...(ran ? { started_at: date(task.startedAtMs), ...placeJson(task.workers) } : {}),
    ...(task.state === 'finished' || task.state === 'failed' ? { finished_at: date(task.finishedAtMs) } : {}),
    ...(task.error !== null ? { error: task.error } : {}),
    ...(extras ? taskExtras(task) : {}),
  };
}

/** The original's two keys: of a task on one node, and of a multi-node task. */
function placeJson(workers: TaskInfo['workers']): { worker: number | undefined } | { workers: readonly number[] } {
  return workers.length > 1 ? { workers } : { worker: workers[0] };
}

/** What the original does not tell. */
function taskExtras(task: TaskInfo): Record<string, unknown> {
  return {
    ...(task.label !== null ? { label: task.label } : {}),
    ...(task.instance > 0 ? { instance: task.instance } : {}),
    ...(task.usage !== null ? { usage: usageJson(task.usage) } : {}),
  };
}

export function submitJson(submit: SubmitInfo, extras: boolean): Record<string, unknown> {
  const specs = submit.specs.map((spec) => taskDescJson(spec as TaskSpec, submit, extras));
  return submit.kind === 'array' ? { array: specs[0] } : { graph: specs };
}

function usageJson(usage: NonNullable<TaskInfo['usage']>): Record<string, unknown> {
  const time = (ms: number | null): Float | null => seconds(ms);
  return {
    wall: time(usage.wallMs),
    user: time(usage.userMs),
    system: time(usage.systemMs),
    max_rss: usage.maxRssBytes,
    peak_mem: usage.peakMemBytes,
  };
}

function taskDescJson(spec: TaskSpec, submit: SubmitInfo, extras: boolean): Record<string, unknown> {
  return {
    program: {
      args: spec.command,
      env: spec.env,
      cwd: spec.cwd ?? submit.submitDir,
      stdout: stdioJson(spec.stdout, 'stdout', submit),
      stderr: stdioJson(spec.stderr, 'stderr', submit),
    },
    resources: parseRequest(spec.request).variants.map((variant) => ({
      n_nodes: variant.nodes,
      resources: variant.entries.map((entry) => ({
        resource: entry.name,
        request: requestJson(entry),
        ...(extras && entry.maxUnits !== undefined ? { max_amount: entry.maxUnits } : {}),
      })),
      min_time: seconds(variant.minTimeMs),
      weight: variant.weight,
    })),
    pin_mode: spec.pin === 'omp' ? 'openmp' : (spec.pin ?? null),
    priority: spec.priority,
    time_limit: seconds(spec.timeLimitMs ?? null),
    task_dir: spec.taskDir === true,
    crash_limit: spec.crashLimit,
    ...(extras ? retryJson(spec) : {}),
  };
}

function retryJson(spec: TaskSpec): Record<string, unknown> {
  return {
    max_retries: spec.maxRetries,
    ...(spec.retryDelayMs === undefined ? {} : { retry_delay: seconds(spec.retryDelayMs) }),
    ...(spec.retryOn === undefined ? {} : { retry_on: spec.retryOn }),
    ...(spec.retryMemFactor === undefined ? {} : { retry_mem_factor: spec.retryMemFactor }),
  };
}

const POLICY_KEYS: Readonly<Record<Exclude<AllocationPolicy, 'all'>, string>> = {
  compact: 'Compact',
  'compact!': 'ForceCompact',
  tight: 'Tight',
  'tight!': 'ForceTight',
  scatter: 'Scatter',
};

function requestJson(entry: ResourceEntry): unknown {
  return entry.policy === 'all' ? 'All' : { [POLICY_KEYS[entry.policy]]: entry.units };
}

function stdioJson(spec: StdioSpec | undefined, channel: string, submit: SubmitInfo): string | null {
  if (spec === null) return null;
  if (spec !== undefined) return spec.path;
  return submit.stream === null ? `%{CWD}/job-%{JOB_ID}/%{TASK_ID}.${channel}` : '<pipe>';
}
