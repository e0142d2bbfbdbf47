/** `--output-mode json`: exactly one value per process, in the original's shapes (docs/compatibility.md lists what was added). */

import { IntArray } from '../../common/intArray.ts';
import type { Summary } from '../../outputlog/summary.ts';
import type { HqError } from '../../protocol/errors.ts';
import { jobState } from '../../protocol/jobState.ts';
import type { AllocationInfo, QueueExplanation, QueueInfo } from '../../protocol/schema/allocation.ts';
import type { CompareReport } from '../../protocol/schema/compare.ts';
import type { TaskExplanation } from '../../protocol/schema/explain.ts';
import type { JobInfo } from '../../protocol/schema/job.ts';
import type { WorkerResources } from '../../protocol/schema/resources.ts';
import type { ServerInfo } from '../../protocol/schema/serverInfo.ts';
import type { SnakemakeReport } from '../../protocol/schema/snakemakeReport.ts';
import type { TaskDetail, TaskInfo } from '../../protocol/schema/task.ts';
import type { OnServerLost, WorkerInfo } from '../../protocol/schema/worker.ts';
import type { Compat } from '../compat.ts';
import type { Setting } from '../config/settings.ts';
import type { Finding } from '../doctor/finding.ts';
import type { CliIo } from '../io.ts';
import { allocationJson, queueJson } from './allocJson.ts';
import { queueExplanationLines } from './allocText.ts';
import { explanationJson } from './explainJson.ts';
import { jobInfoJson, submitJson, taskJson } from './jsonShapes.ts';
import { date, Float, jsonText, seconds } from './jsonText.ts';
import type { JobWithTasks, Output } from './output.ts';
import type { Preview } from './previewText.ts';
import { levelCounts, stateCounts } from './states.ts';

export class JsonOutput implements Output {
  private readonly io: CliIo;
  /** Keys that the original does not have. */
  private readonly extras: boolean;
  private printed = false;

  constructor(io: CliIo, compat: Pick<Compat, 'originalJson'>) {
    this.io = io;
    this.extras = !compat.originalJson;
  }

  serverInfo(info: ServerInfo, o: { started: boolean }): void {
    this.print({
      server_dir: o.started ? info.serverDir : null,
      server_uid: info.serverUid,
      client_host: info.clientHost,
      client_port: info.clientPort,
      worker_host: info.workerHost,
      worker_port: info.workerPort,
      pid: info.pid,
      start_date: date(info.startedAtMs),
      version: info.version,
      journal_path: info.journalPath,
    });
  }

  workers(workers: readonly WorkerInfo[]): void {
    this.print(workers.map((worker) => this.workerJson(worker, false)));
  }

  workerInfos(workers: readonly WorkerInfo[]): void {
    this.print(workers.map((worker) => this.workerJson(worker, true)));
  }

  workerStarted(worker: WorkerInfo): void {
    this.print([this.workerJson(worker, false)]);
  }

  hardware(resources: WorkerResources): void {
    this.print(resources);
  }

  submitted(jobId: number): void {
    this.print({ id: jobId });
  }

  opened(jobId: number): void {
    this.print({ id: jobId });
  }

  jobs(jobs: readonly JobInfo[]): void {
    this.print(jobs.map(jobInfoJson));
  }

  jobSummary(jobs: readonly JobInfo[]): void {
    const counts = stateCounts(jobs).filter(([state, count]) => state !== 'OPENED' || count > 0);
    this.print(Object.fromEntries(counts.map(([state, count]) => [state.charAt(0) + state.slice(1).toLowerCase(), count])));
  }

  jobInfos(jobs: readonly JobWithTasks[], o: { single: boolean }): void {
    const values = jobs.map(({ job, tasks }) => {
      const original = {
        info: jobInfoJson(job),
        max_fails: job.maxFails,
        started_at: date(job.submittedAtMs),
        finished_at: date(job.finishedAtMs),
        submits: job.submits.map((submit) => submitJson(submit, this.extras)),
        tasks: tasks.map((task) => taskJson(task, this.extras)),
      };
      if (!this.extras) return original;
      return { ...original, ...job.stats, id: job.id, name: job.name, state: jobState(job), labels: job.labels };
    });
    this.print(o.single && this.extras ? values[0] : values);
  }

  taskLists(lists: ReadonlyMap<number, readonly TaskInfo[]>): void {
    this.print(Object.fromEntries([...lists].map(([jobId, tasks]) => [String(jobId), tasks.map((task) => taskJson(task, this.extras))])));
  }

  taskDetails(tasks: readonly TaskDetail[]): void {
    this.print(tasks.map((task) => taskJson(task, this.extras)));
  }

  explanation(explanation: TaskExplanation): void {
    this.print(explanationJson(explanation, this.extras));
  }

  preview({ name, submitDir, stream, kind, specs, preview }: Preview): void {
    const { taskIds, taskCount, warnings, requests, moreRequests } = preview;
    this.print({
      name,
      task_ids: taskIds,
      task_count: taskCount,
      submit: submitJson({ submitDir, stream, kind, taskIds, specs: [...specs] }, this.extras),
      requests: requests.map((request) => ({
        task_ids: request.taskIds,
        task_count: request.taskCount,
        variants: request.variants,
        queues: request.queues,
      })),
      more_requests: moreRequests,
      warnings,
    });
  }

  taskIds(ids: ReadonlyMap<number, string>): void {
    const expand = (text: string): number[] => {
      const parsed = text === '' ? '' : IntArray.parse(text);
      return typeof parsed === 'string' ? [] : [...parsed];
    };
    this.print(Object.fromEntries([...ids].map(([jobId, text]) => [String(jobId), expand(text)])));
  }

  queues(queues: readonly QueueInfo[]): void {
    this.print(queues.map((queue) => queueJson(queue, this.extras)));
  }

  allocations(allocations: readonly AllocationInfo[]): void {
    this.print(allocations.map((allocation) => allocationJson(allocation, this.extras)));
  }

  queueExplanation(explanation: QueueExplanation): void {
    this.print({ ...explanation, summary: queueExplanationLines(explanation) });
  }

  findings(findings: readonly Finding[]): void {
    this.print({ ...levelCounts(findings), checks: findings });
  }

  comparison(report: CompareReport): void {
    this.print(report);
  }

  settings(settings: readonly Setting[], { files }: { files: readonly string[] }): void {
    this.print({ files, settings });
  }

  snakemakeReport(report: SnakemakeReport): void {
    this.print(report);
  }

  logSummary(path: string, summary: Summary): void {
    this.print({ filename: path, summary });
  }

  done(): void {}

  error(error: HqError): void {
    const text = error.hint === '' ? error.message : `${error.message}. ${error.hint}`;
    if (!this.printed) this.print({ error: text, ...(this.extras ? { code: error.code } : {}) });
    this.io.stderr.write(`ERROR ${error.message}\n`);
  }

  end(): void {
    if (!this.printed) this.print({});
  }

  private workerJson(worker: WorkerInfo, detailed: boolean): Record<string, unknown> {
    const { configuration } = worker;
    const runtime = { SingleNodeTasks: { assigned_tasks: worker.assignedTasks, running_tasks: worker.runningTasks, is_reserved: false } };
    const last = worker.lastTaskStarted;
    return {
      id: worker.id,
      started: date(worker.connectedAtMs),
      ended: worker.endedAtMs === null ? null : { at: date(worker.endedAtMs) },
      configuration: {
        heartbeat_interval: seconds(configuration.heartbeatMs),
        idle_timeout: seconds(configuration.idleTimeoutMs),
        time_limit: seconds(configuration.timeLimitMs),
        work_dir: configuration.workDir,
        hostname: configuration.hostname,
        group: configuration.group,
        listen_address: configuration.listenAddress,
        on_server_lost: this.serverLostJson(configuration.onServerLost),
        ...(this.extras ? { memory_guard: configuration.memoryGuard ?? 'proc' } : {}),
        min_utilization: new Float(configuration.minUtilization),
        resources: configuration.resources,
      },
      allocation: configuration.allocation,
      runtime_info: detailed && worker.state !== 'offline' ? runtime : null,
      last_task_started: last === null ? null : { task_id: { job_id: last.jobId, job_task_id: last.taskId }, time: date(last.atMs) },
    };
  }

  /** The original has two words. A worker that waits for its server goes on with what it runs until then. */
  private serverLostJson(action: OnServerLost): OnServerLost {
    return action === 'reconnect' && !this.extras ? 'finish-running' : action;
  }

  private print(value: unknown): void {
    this.printed = true;
    this.io.stdout.write(`${jsonText(value)}\n`);
  }
}
