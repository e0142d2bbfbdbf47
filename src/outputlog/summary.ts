/**
 * The counts that `hq output-log … summary` shows. The reader adds up the tasks of all jobs.
 */
import type { TaskInfo } from './jobTable.ts';

/** Key names as in the JSON output; sizes in bytes. A stream is one instance of one task. */
export interface Summary {
  n_files: number;
  n_jobs: number;
  n_tasks: number;
  n_streams: number;
  /** Tasks whose highest instance has not ended. */
  n_opened: number;
  /** Of the highest instances. */
  stdout_size: number;
  stderr_size: number;
  n_superseded: number;
  superseded_stdout_size: number;
  superseded_stderr_size: number;
}

export function emptySummary(nFiles: number, nJobs: number): Summary {
  return {
    n_files: nFiles,
    n_jobs: nJobs,
    n_tasks: 0,
    n_streams: 0,
    n_opened: 0,
    stdout_size: 0,
    stderr_size: 0,
    n_superseded: 0,
    superseded_stdout_size: 0,
    superseded_stderr_size: 0,
  };
}

export function addTo(summary: Summary, task: TaskInfo): void {
  summary.n_tasks += 1;
  summary.n_streams += 1 + task.superseded.instances;
  summary.n_opened += task.finished ? 0 : 1;
  summary.stdout_size += task.stdoutBytes;
  summary.stderr_size += task.stderrBytes;
  summary.n_superseded += task.superseded.instances;
  summary.superseded_stdout_size += task.superseded.stdoutBytes;
  summary.superseded_stderr_size += task.superseded.stderrBytes;
}
