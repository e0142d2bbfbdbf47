/** `--output-mode cli`: tables for people, in HyperQueue's look and with its headers, because scripts parse them by header text. */
import { formatDuration } from '../../common/duration.ts';
import { formatSize } from '../../common/size.ts';
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
import type { WorkerInfo } from '../../protocol/schema/worker.ts';
import { compareHead, compareRows } from '../../report/compare/rows.ts';
import { adviceText, RULE_HEAD, ruleRows } from '../../report/snakemake/rows.ts';
import type { Setting } from '../config/settings.ts';
import type { Finding } from '../doctor/finding.ts';
import type { CliIo } from '../io.ts';
import {
  ALLOCATION_HEADERS,
  allocationRow,
  QUEUE_HEADERS,
  queueExplanationLines,
  queueForTaskText,
  queueNote,
  queueRow,
} from './allocText.ts';
import { adviceOf, summaryOf, workerRows } from './explainText.ts';
import { sortedIds } from './idText.ts';
import { jobRows } from './jobRows.ts';
import { type ComparisonFiles, type JobWithTasks, type Output, SHOWN_FAILED_TASKS, type SnakemakeReportFiles } from './output.ts';
import { fitRows, graphRows, type Preview, previewRows, SHOWN_TASKS } from './previewText.ts';
import { describeResources, summarizeResources } from './resourceText.ts';
import { levelCounts, stateCounts, workerState } from './states.ts';
import { cutMiddle, GREEN, localTime, RED, Tables, utcTime, YELLOW } from './tables.ts';
import { makespan, peakMemory, taskRows } from './taskRows.ts';

/** Errors in a list are cut to this many characters without `-v`, names to this many. */
const SHORT_ERROR = 16;
const SHORT_NAME = 50;

const MEMORY_GUARDS = { off: 'off', proc: '/proc sampling', 'cgroup-v1': 'cgroup v1', 'cgroup-v2': 'cgroup v2' } as const;

const LEVEL_COLORS = { ok: GREEN, warning: YELLOW, problem: RED } as const;

export class TableOutput implements Output {
  private readonly io: CliIo;
  private readonly tables: Tables;

  constructor(io: CliIo, colors: boolean) {
    this.io = io;
    this.tables = new Tables(io.stdout, colors);
  }

  serverInfo(info: ServerInfo, o: { started: boolean }): void {
    this.tables.vertical([
      ...(o.started ? [['Server directory', info.serverDir] as const] : []),
      ['Server UID', info.serverUid],
      ['Client host', info.clientHost],
      ['Client port', info.clientPort],
      ['Worker host', info.workerHost],
      ['Worker port', info.workerPort],
      ['Version', info.version],
      ['Pid', info.pid],
      ['Start date', utcTime(info.startedAtMs)],
      ['Journal path', info.journalPath],
    ]);
  }

  workers(workers: readonly WorkerInfo[]): void {
    this.tables.horizontal(
      ['ID', 'State', 'Hostname', 'Resources', 'Manager', 'Manager Job ID'],
      workers.map((worker) => [
        worker.id,
        workerState(worker),
        worker.configuration.hostname,
        summarizeResources(worker.configuration.resources),
        worker.configuration.allocation?.manager ?? 'None',
        worker.configuration.allocation?.id ?? 'N/A',
      ]),
      [0],
    );
  }

  workerInfos(workers: readonly WorkerInfo[]): void {
    for (const worker of workers) this.workerStarted(worker);
  }

  workerStarted(worker: WorkerInfo): void {
    const { configuration } = worker;
    const last = worker.lastTaskStarted;
    const time = (ms: number | null): string => (ms === null ? 'None' : formatDuration(ms));
    this.tables.vertical([
      ['Worker', worker.id],
      ['State', workerState(worker)],
      ['Hostname', configuration.hostname],
      ['Started', localTime(worker.connectedAtMs)],
      ['Data provider', configuration.listenAddress === '' ? 'None' : configuration.listenAddress],
      ['Working directory', configuration.workDir],
      ['Heartbeat', time(configuration.heartbeatMs)],
      ['Idle timeout', time(configuration.idleTimeoutMs)],
      ['Overview interval', time(configuration.overviewIntervalMs ?? null)],
      ['Resources', describeResources(configuration.resources)],
      ['Memory guard', MEMORY_GUARDS[configuration.memoryGuard ?? 'proc']],
      ['Time Limit', time(configuration.timeLimitMs)],
      ['Process pid', configuration.pid],
      ['Group', configuration.group],
      ['Manager', configuration.allocation?.manager ?? 'None'],
      ['Manager Job ID', configuration.allocation?.id ?? 'N/A'],
      ['Last task started', last === null ? 'None' : `${last.jobId}@${last.taskId}; Time: ${localTime(last.atMs)}`],
      ['Runtime Info', `assigned tasks: ${worker.assignedTasks}; running tasks: ${worker.runningTasks}`],
    ]);
  }

  hardware(resources: WorkerResources): void {
    this.line('Summary:');
    for (const part of summarizeResources(resources).split('; ')) this.line(part);
    this.line('');
    this.line('Full Description:');
    this.line(describeResources(resources));
  }

  submitted(jobId: number): void {
    this.line(`Job submitted successfully, job ID: ${jobId}`);
  }

  opened(jobId: number, o: { sentence: boolean }): void {
    if (o.sentence) return this.line(`Job ${jobId} is open.`);
    this.line(String(jobId));
    this.io.stderr.write(`Job ${jobId} is open.\n`);
  }

  jobs(jobs: readonly JobInfo[], o: { total: number; verbose: boolean; listsAll: boolean }): void {
    this.tables.horizontal(
      ['ID', 'Name', 'State', 'Tasks', ...(o.verbose ? ['Cancel Reason'] : [])],
      jobs.map((job) => [
        job.isOpen ? `*${job.id}` : job.id,
        cutMiddle(job.name, SHORT_NAME),
        jobState(job),
        job.taskCount,
        ...(o.verbose ? [job.cancelReason ?? ''] : []),
      ]),
      [0],
    );
    if (jobs.some((job) => job.isOpen)) this.line('* = Open jobs');
    if (o.total > jobs.length && !o.listsAll) this.line(`There are ${o.total} jobs in total. Use \`--all\` to display all jobs.`);
  }

  jobSummary(jobs: readonly JobInfo[]): void {
    const counts = stateCounts(jobs).filter(([state, count]) => state !== 'OPENED' || count > 0);
    this.tables.horizontal(['Status', 'Count'], counts, [1]);
  }

  jobInfos(jobs: readonly JobWithTasks[], o: { listTasks: boolean }): void {
    for (const { job, tasks } of jobs) {
      this.tables.vertical(jobRows(job, tasks));
      const failed = tasks.filter((task) => task.state === 'failed');
      if (failed.length > 0) {
        const shown = failed.slice(0, SHOWN_FAILED_TASKS);
        this.tables.horizontal(
          ['Task ID', 'Worker', 'Error'],
          shown.map((task) => [task.id, task.workers.join(', '), task.error ?? '']),
        );
        this.line(`${job.stats.failed} tasks failed. (${shown.length} shown)`);
      }
      if (o.listTasks) this.taskLists(new Map([[job.id, tasks]]), { verbose: false });
    }
  }

  taskLists(lists: ReadonlyMap<number, readonly TaskInfo[]>, o: { verbose: boolean }): void {
    const several = lists.size > 1;
    const labelled = [...lists.values()].some((tasks) => tasks.some((task) => task.label !== null));
    const rows = [...lists].flatMap(([jobId, tasks]) =>
      tasks.map((task) => {
        const error = task.error ?? '';
        return [
          ...(several ? [jobId] : []),
          task.id,
          task.state.toUpperCase(),
          task.workers.join(', '),
          makespan(task),
          o.verbose || error.length <= SHORT_ERROR ? error : `${error.slice(0, SHORT_ERROR)}...`,
          ...(labelled ? [task.label ?? ''] : []),
          ...(o.verbose ? [peakMemory(task)] : []),
        ];
      }),
    );
    const headers = [
      'Task ID',
      'State',
      'Worker',
      'Makespan',
      'Error',
      ...(labelled ? ['Label'] : []),
      ...(o.verbose ? ['Peak memory'] : []),
    ];
    this.tables.horizontal(several ? ['Job ID', ...headers] : headers, rows, several ? [0, 1] : [0]);
  }

  taskDetails(tasks: readonly TaskDetail[], o: { verbose: boolean }): void {
    for (const task of tasks) this.tables.vertical(taskRows(task, o.verbose));
  }

  explanation(explanation: TaskExplanation): void {
    this.line(summaryOf(explanation));
    const advice = adviceOf(explanation);
    if (advice !== '') this.line(advice);
    const rows = workerRows(explanation.variants);
    if (rows.length > 0) this.tables.horizontal(['Workers', 'Request', 'In the way'], rows);
    for (const queue of explanation.queues) this.line(queueForTaskText(queue));
  }

  preview(seen: Preview): void {
    const { kind, specs, preview } = seen;
    this.tables.vertical(previewRows(seen));
    if (kind === 'graph') {
      this.tables.horizontal(['Task ID', 'Command', 'Resources', 'Dependencies'], graphRows(seen));
      if (specs.length > SHOWN_TASKS) this.line(`and ${specs.length - SHOWN_TASKS} more tasks`);
    }
    this.tables.horizontal(['Task IDs', 'Request', 'Workers', 'In the way'], fitRows(preview));
    for (const { taskIds, queues } of preview.requests)
      for (const queue of queues) this.line(`Tasks ${sortedIds(taskIds)}: ${queueForTaskText(queue)}`);
    if (preview.moreRequests > 0) this.line(`and ${preview.moreRequests} more requests`);
    this.io.stderr.write('Nothing was submitted.\n');
  }

  taskIds(ids: ReadonlyMap<number, string>): void {
    for (const [jobId, text] of ids) this.line(ids.size === 1 ? text : `${jobId}: ${text}`);
  }

  queues(queues: readonly QueueInfo[]): void {
    this.tables.horizontal(QUEUE_HEADERS, queues.map(queueRow));
    for (const note of queues.map(queueNote)) if (note !== '') this.line(note);
  }

  allocations(allocations: readonly AllocationInfo[]): void {
    this.tables.horizontal(ALLOCATION_HEADERS, allocations.map(allocationRow));
  }

  queueExplanation(explanation: QueueExplanation): void {
    for (const line of queueExplanationLines(explanation)) this.line(line);
  }

  findings(findings: readonly Finding[]): void {
    for (const { check, level, found, advice } of findings)
      this.line(`${this.tables.colored(level.padEnd(8), LEVEL_COLORS[level])} ${check}: ${found}${advice === '' ? '' : `. ${advice}`}`);
    const { ok, warning, problem } = levelCounts(findings);
    this.line(`${findings.length} checks: ${ok} ok, ${warning} warnings, ${problem} problems`);
  }

  comparison(report: CompareReport, files: ComparisonFiles): void {
    this.tables.horizontal(
      compareHead(report),
      compareRows(report).map(({ name, cells }) => [name, ...cells]),
    );
    this.line(`All of it: ${files.json}`);
    this.line(`With timelines: ${files.page}`);
  }

  settings(settings: readonly Setting[], { files }: { files: readonly string[] }): void {
    if (settings.length > 0)
      this.tables.horizontal(
        ['Command', 'Option', 'Value', 'From'],
        settings.map(({ command, option, text, origin }) => [command === '' ? 'all' : command, option, text, origin]),
      );
    else this.line(files.length === 0 ? 'There is no configuration file' : `Nothing is set in ${files.join(', ')}`);
  }

  snakemakeReport(report: SnakemakeReport, files: SnakemakeReportFiles | undefined): void {
    this.tables.horizontal(RULE_HEAD, ruleRows(report));
    const advice = adviceText(report);
    this.line(advice === '' ? 'What the jobs asked for is close to what they used.' : `What to ask for, from what was used:\n${advice}`);
    if (files !== undefined) this.line(`Written: ${files.page}, ${files.csv}, ${files.json}`);
  }

  logSummary(path: string, summary: Summary): void {
    this.tables.vertical([
      ['Path', path],
      ['Files', summary.n_files],
      ['Jobs', summary.n_jobs],
      ['Tasks', summary.n_tasks],
      ['Opened streams', `${summary.n_opened} / ${summary.n_streams}`],
      ['Stdout size', formatSize(summary.stdout_size)],
      ['Stderr size', formatSize(summary.stderr_size)],
      ['Superseded streams', summary.n_superseded],
      ['Superseded stdout size', formatSize(summary.superseded_stdout_size)],
      ['Superseded stderr size', formatSize(summary.superseded_stderr_size)],
    ]);
  }

  done(line: string): void {
    this.io.stderr.write(`${line}\n`);
  }

  error(error: HqError): void {
    this.io.stderr.write(`ERROR ${error.message}${error.hint === '' ? '' : `. ${error.hint}`}\n`);
  }

  end(): void {}

  private line(text: string): void {
    this.io.stdout.write(`${text}\n`);
  }
}
