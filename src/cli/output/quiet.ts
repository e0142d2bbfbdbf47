/** `--output-mode quiet`: ids and states for scripts, nothing else. The lines are a contract (Nextflow and others parse them). */
import type { HqError } from '../../protocol/errors.ts';
import { jobState } from '../../protocol/jobState.ts';
import type { CompareReport } from '../../protocol/schema/compare.ts';
import type { JobInfo } from '../../protocol/schema/job.ts';
import type { ServerInfo } from '../../protocol/schema/serverInfo.ts';
import type { SnakemakeReport } from '../../protocol/schema/snakemakeReport.ts';
import type { WorkerInfo } from '../../protocol/schema/worker.ts';
import type { Setting } from '../config/settings.ts';
import type { Finding } from '../doctor/finding.ts';
import type { CliIo } from '../io.ts';
import type { ComparisonFiles, Output, SnakemakeReportFiles } from './output.ts';
import { stateCounts, workerState } from './states.ts';

export class QuietOutput implements Output {
  private readonly io: CliIo;

  constructor(io: CliIo) {
    this.io = io;
  }

  serverInfo(info: ServerInfo, o: { started: boolean }): void {
    if (o.started) this.line(info.serverDir);
  }

  workers(workers: readonly WorkerInfo[]): void {
    for (const worker of workers) this.line(`${worker.id} ${workerState(worker)}`);
  }

  workerInfos(): void {}

  workerStarted(): void {}

  hardware(): void {}

  submitted(jobId: number): void {
    this.line(String(jobId));
  }

  opened(jobId: number): void {
    this.line(String(jobId));
  }

  jobs(jobs: readonly JobInfo[]): void {
    for (const job of jobs) this.line(`${job.id} ${jobState(job)}`);
  }

  jobSummary(jobs: readonly JobInfo[]): void {
    for (const [state, count] of stateCounts(jobs)) if (state !== 'OPENED') this.line(`${state} ${count}`);
  }

  jobInfos(): void {}

  taskLists(): void {}

  taskDetails(): void {}

  explanation(): void {}

  preview(): void {}

  taskIds(): void {}

  queues(): void {}

  allocations(): void {}

  queueExplanation(): void {}

  findings(findings: readonly Finding[]): void {
    for (const { check, level } of findings) this.line(`${check} ${level.toUpperCase()}`);
  }

  comparison(_report: CompareReport, files: ComparisonFiles): void {
    this.line(files.json);
    this.line(files.page);
  }

  settings(settings: readonly Setting[]): void {
    for (const { command, option, text } of settings) this.line(`${`${command} ${option}`.trim()} ${text}`);
  }

  snakemakeReport(_report: SnakemakeReport, files: SnakemakeReportFiles | undefined): void {
    for (const file of Object.values(files ?? {})) this.line(file);
  }

  logSummary(): void {}

  done(): void {}

  error(error: HqError): void {
    this.io.stderr.write(`ERROR ${error.message}${error.hint === '' ? '' : `. ${error.hint}`}\n`);
  }

  end(): void {}

  private line(text: string): void {
    this.io.stdout.write(`${text}\n`);
  }
}
