/** One method per thing that commands show; one implementation per output mode. Commands never format anything themselves. */
import type { Summary } from '../../outputlog/summary.ts';
import type { HqError } from '../../protocol/errors.ts';
import type { AllocationInfo, QueueExplanation, QueueInfo } from '../../protocol/schema/allocation.ts';
import type { CompareReport } from '../../protocol/schema/compare.ts';
import type { TaskExplanation } from '../../protocol/schema/explain.ts';
import type { JobDetail, JobInfo } from '../../protocol/schema/job.ts';
import type { WorkerResources } from '../../protocol/schema/resources.ts';
import type { ServerInfo } from '../../protocol/schema/serverInfo.ts';
import type { SnakemakeReport } from '../../protocol/schema/snakemakeReport.ts';
import type { TaskDetail, TaskInfo } from '../../protocol/schema/task.ts';
import type { WorkerInfo } from '../../protocol/schema/worker.ts';
import type { Setting } from '../config/settings.ts';
import type { Finding } from '../doctor/finding.ts';

import type { Preview } from './previewText.ts';

/** Failed tasks in the summary of a job; `task list` has the others. */
export const SHOWN_FAILED_TASKS = 5;

/** A job with its tasks, for `job info`. */
export interface JobWithTasks {
  readonly job: JobDetail;
  readonly tasks: readonly TaskInfo[];
}

/** Absolute paths. */
export interface ComparisonFiles {
  readonly json: string;
  readonly page: string;
}

/** Absolute paths. */
export interface SnakemakeReportFiles {
  readonly json: string;
  readonly csv: string;
  readonly page: string;
}

export interface Output {
  /** `started`: printed by the server itself, with its directory. */
  serverInfo(info: ServerInfo, o: { started: boolean }): void;
  workers(workers: readonly WorkerInfo[]): void;
  workerInfos(workers: readonly WorkerInfo[]): void;
  workerStarted(worker: WorkerInfo): void;
  hardware(resources: WorkerResources): void;
  submitted(jobId: number): void;
  /** `sentence`: the original's, on stdout. */
  opened(jobId: number, o: { sentence: boolean }): void;
  jobs(jobs: readonly JobInfo[], o: { total: number; verbose: boolean; listsAll: boolean }): void;
  jobSummary(jobs: readonly JobInfo[]): void;
  /** `single`: one job was named by its id; `tasks`: list them as a table, too. */
  jobInfos(jobs: readonly JobWithTasks[], o: { single: boolean; listTasks: boolean }): void;
  taskLists(lists: ReadonlyMap<number, readonly TaskInfo[]>, o: { verbose: boolean }): void;
  taskDetails(tasks: readonly TaskDetail[], o: { verbose: boolean }): void;
  explanation(explanation: TaskExplanation): void;
  /** Of `--dry-run`. */
  preview(preview: Preview): void;
  /** Task ids as IntArray text by job. */
  taskIds(ids: ReadonlyMap<number, string>): void;
  queues(queues: readonly QueueInfo[]): void;
  allocations(allocations: readonly AllocationInfo[]): void;
  queueExplanation(explanation: QueueExplanation): void;
  /** What the checks of `doctor` found, in their order. */
  findings(findings: readonly Finding[]): void;
  /** `files`: where its parts were written. */
  comparison(report: CompareReport, files: ComparisonFiles): void;
  /** Of configuration files. */
  settings(settings: readonly Setting[], o: { files: readonly string[] }): void;
  /** `files`: where its parts were written; undefined: nowhere. */
  snakemakeReport(report: SnakemakeReport, files: SnakemakeReportFiles | undefined): void;
  logSummary(path: string, summary: Summary): void;
  /** An action was carried out; the text is for people. */
  done(line: string): void;
  error(error: HqError): void;
  /** Called once after the command. */
  end(): void;
}
