/** JSON of the commands about servers, workers, allocations, logs and this machine, after HyperQueue's documentation and the answers of its version 0.26. */
import * as z from 'zod';
import { allocationState, queueExplanation } from '../../protocol/schema/allocation.ts';
import { compareReport } from '../../protocol/schema/compare.ts';
import { workerResources } from '../../protocol/schema/resources.ts';
import { snakemakeReport } from '../../protocol/schema/snakemakeReport.ts';
import { memoryGuard, onServerLost } from '../../protocol/schema/worker.ts';
import { count, date, listOf, type Shape, same, seconds, shape } from './parts.ts';

export const serverInfo: Shape = same(
  z.strictObject({
    server_dir: z.string().nullable().meta({ description: 'null for `server info`' }),
    server_uid: z.string(),
    client_host: z.string(),
    client_port: count,
    worker_host: z.string(),
    worker_port: count,
    pid: count,
    start_date: date,
    version: z.string(),
    journal_path: z.string().nullable(),
  }),
);

const configuration = shape(
  {
    heartbeat_interval: seconds,
    idle_timeout: seconds.nullable(),
    time_limit: seconds.nullable(),
    work_dir: z.string(),
    hostname: z.string(),
    group: z.string(),
    listen_address: z.string(),
    min_utilization: z.number().min(0).max(1).meta({ description: 'always with a decimal point' }),
    resources: workerResources,
  },
  { memory_guard: memoryGuard },
);
const singleNode = z.strictObject({
  SingleNodeTasks: z.strictObject({ assigned_tasks: count, running_tasks: count, is_reserved: z.boolean() }),
});

function worker(configured: z.ZodType): z.ZodType {
  return z.strictObject({
    id: count,
    started: date,
    ended: z.strictObject({ at: date }).nullable(),
    configuration: configured,
    allocation: z.strictObject({ manager: z.string(), id: z.string() }).nullable(),
    runtime_info: singleNode.nullable().meta({ description: 'only `worker info` of a running worker has it' }),
    last_task_started: z.strictObject({ task_id: z.strictObject({ job_id: count, job_task_id: count }), time: date }).nullable(),
  });
}

/** `hq worker list`, `info` and `start`. The original knows no worker that waits for its server. */
export const workers: Shape = listOf({
  now: worker(configuration.now.extend({ on_server_lost: onServerLost })),
  original: worker(configuration.original.extend({ on_server_lost: z.enum(['stop', 'finish-running']) })),
});

/** `hq worker hwdetect` */
export const hardware: Shape = same(workerResources);

export const queues: Shape = listOf(
  shape(
    {
      id: count,
      name: z.string().nullable(),
      state: z.enum(['Active', 'Paused', 'Draining']),
      manager: z.string(),
      additional_args: z.array(z.string()),
      backlog: count,
      max_workers_per_alloc: count,
      timelimit: seconds,
      max_worker_count: count.nullable(),
      worker_args: z.array(z.string()),
      known_worker_resources: workerResources.nullable(),
    },
    {
      queued: count,
      running: count,
      workers: count,
      paused_reason: z.string().nullable(),
      last_error: z.string().nullable(),
      rests_until: date.nullable(),
    },
  ),
);

export const allocations: Shape = listOf(
  shape(
    {
      id: z.string(),
      target_worker_count: count,
      queued_at: date,
      started_at: date.nullable(),
      ended_at: date.nullable(),
      status: allocationState,
      workdir: z.string(),
    },
    {
      number: count,
      connected_workers: count,
      batch_state: z.string().nullable(),
      detail: z.string().nullable(),
      restarts: count,
    },
  ),
);

export const queueReasons: Shape = same(queueExplanation.extend({ summary: z.array(z.string()) }));

const logSummary = z.strictObject({
  filename: z.string(),
  summary: z.strictObject({
    n_files: count,
    n_jobs: count,
    n_tasks: count,
    n_streams: count,
    n_opened: count,
    stdout_size: count,
    stderr_size: count,
    n_superseded: count,
    superseded_stdout_size: count,
    superseded_stderr_size: count,
  }),
});
const exported = z.array(z.strictObject({ id: count, finished: z.boolean(), stdout: z.string() }));

/** `hq output-log PATH summary` and `export`; the other words print text in every mode. */
export const outputLog: Shape = same(z.union([logSummary, exported]));

export const findings: Shape = same(
  z.strictObject({
    ok: count,
    warning: count,
    problem: count,
    checks: z.array(
      z.strictObject({ check: z.string(), level: z.enum(['ok', 'warning', 'problem']), found: z.string(), advice: z.string() }),
    ),
  }),
);

export const comparison: Shape = same(compareReport);
export const snakemake: Shape = same(snakemakeReport);

/** `hq config show` */
export const settings: Shape = same(
  z.strictObject({
    files: z.array(z.string()),
    settings: z.array(z.strictObject({ command: z.string(), option: z.string(), text: z.string(), origin: z.string() })),
  }),
);
