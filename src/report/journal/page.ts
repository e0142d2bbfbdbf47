/** The history of a journal as one HTML page that needs nothing else, no network and no script: lines of what ran, jobs, workers, failures. Pure. */
import { formatDuration } from '../../common/duration.ts';
import { formatSize } from '../../common/size.ts';
import { PAGE_STYLE } from '../pageStyle.ts';
import { escaped, stepsSvg } from '../svg.ts';
import { thinned } from '../timeline.ts';
import { DURATION_CLASSES_MS, type JobHistory, type JournalHistory, type WorkerHistory } from './history.ts';

/** Pixels of a drawing, steps in one, rows of a table. */
const HEIGHT = 150;
const POINTS_MAX = 4_000;
const ROWS_MAX = 1_000;

const STYLE = `${PAGE_STYLE}.text{text-align:left}`;

const LINES = [
  ['running', 'tasks that ran', '#1b7837'],
  ['ended', 'tasks that had ended', '#2166ac'],
  ['workers', 'connected workers', '#b35806'],
  ['allocations', 'running allocations', '#762a83'],
] as const;

/**
 * @param o.source what the events are of, for the heading
 * @param o.from when the first of them happened, for people
 * @returns a whole HTML document
 */
export function journalPage(history: JournalHistory, { source, from }: { source: string; from: string }): string {
  const title = `What happened in ${source}`;
  const endMs = history.lengthMs;
  const drawn = LINES.map(([name, text, color]) => ({ name, text, color, all: history.line(name) }))
    .filter(({ all }) => all.length > 1)
    .map(({ text, color, all }) => {
      const line = { title: text, color, steps: thinned(all, endMs, POINTS_MAX), endMs };
      return `<h3>${text}</h3>\n${stepsSvg({ lines: [line], endMs, height: HEIGHT })}`;
    });
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}</title><style>${STYLE}</style></head><body>
<h1>${escaped(title)}</h1>
${summary(history, from)}
${drawn.join('\n')}
${durations(history)}
${section('Jobs', JOB_HEAD, [...history.jobs.values()].map(jobRow))}
${section(
  'Workers',
  WORKER_HEAD,
  [...history.workers.values()].map((worker) => workerRow(worker, history)),
)}
${section(
  'Failed tasks',
  ['Task', 'When', 'Error'],
  history.failures.map(({ atMs, jobId, taskId, error }) => [`${jobId}.${taskId}`, time(atMs), error]),
)}
</body></html>
`;
}

function summary(history: JournalHistory, from: string): string {
  const jobs = [...history.jobs.values()];
  const sum = (count: (job: JobHistory) => number): number => jobs.reduce((total, job) => total + count(job), 0);
  const ended = sum((job) => job.finished + job.failed);
  const wallMs = sum((job) => job.wallMs);
  const rows: [string, string][] = [
    ['From', from],
    ['Length', time(history.lengthMs)],
    ['Starts of a server', String(history.serverStarts)],
    ['Events', String(history.events)],
    ['Jobs', String(jobs.length)],
    ['Tasks submitted', String(sum((job) => job.submitted))],
    ['Tasks finished', String(sum((job) => job.finished))],
    ['Tasks failed', String(sum((job) => job.failed))],
    ['Tasks canceled, aborted', `${sum((job) => job.canceled)}, ${sum((job) => job.aborted)}`],
    ['Attempts that were followed by another', String(sum((job) => job.restarts))],
    ['Workers', String(history.workers.size)],
    ['Run time of ended tasks', time(wallMs)],
    ['Mean run time', ended === 0 ? '' : time(wallMs / ended)],
    ['CPU time of ended tasks', time(sum((job) => job.cpuMs))],
  ];
  return `<table>${rows.map(([name, value]) => `<tr><td>${name}</td><td>${escaped(value)}</td></tr>`).join('\n')}</table>`;
}

function durations({ durations: counts }: JournalHistory): string {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return '';
  const rows = counts.map((count, index) => {
    const limit = DURATION_CLASSES_MS[index];
    const name = limit === undefined ? `${time(DURATION_CLASSES_MS.at(-1) as number)} or more` : `less than ${time(limit)}`;
    return [name, String(count), `${((100 * count) / total).toFixed(1)} %`];
  });
  return section('Run times', ['', 'Tasks', 'Share'], rows);
}

const JOB_HEAD = [
  'Job',
  'Name',
  'Tasks',
  'Finished',
  'Failed',
  'Canceled',
  'Aborted',
  'Restarts',
  'First start',
  'Last end',
  'Run time',
  'CPU time',
  'Peak memory',
];

function jobRow(job: JobHistory): string[] {
  return [
    ...[String(job.id), job.name, String(job.submitted), String(job.finished), String(job.failed), String(job.canceled)],
    ...[String(job.aborted), String(job.restarts), job.firstStartMs === null ? '' : time(job.firstStartMs)],
    ...[
      job.lastEndMs === null ? '' : time(job.lastEndMs),
      time(job.wallMs),
      time(job.cpuMs),
      job.peakBytes === 0 ? '' : formatSize(job.peakBytes),
    ],
  ];
}

const WORKER_HEAD = ['Worker', 'Host', 'Group or allocation', 'Connected', 'Gone', 'Why', 'Tasks', 'Tasks at a time'];

function workerRow(worker: WorkerHistory, { lastMs }: JournalHistory): string[] {
  const livedMs = (worker.lostMs ?? lastMs) - worker.connectedMs;
  return [
    ...[String(worker.id), worker.hostname, worker.place, time(worker.connectedMs), worker.lostMs === null ? '' : time(worker.lostMs)],
    ...[worker.reason ?? '', String(worker.tasks), livedMs <= 0 ? '' : (worker.busyMs / livedMs).toFixed(2)],
  ];
}

function section(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const shown = rows.slice(0, ROWS_MAX);
  const cut = shown.length < rows.length ? `<p>The first ${shown.length} of ${rows.length}.</p>` : '';
  const line = (tag: 'td' | 'th', cells: readonly string[]): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  return `<h2>${title}</h2>\n<table>${line('th', head)}\n${shown.map((cells) => line('td', cells)).join('\n')}</table>${cut}`;
}

/** Milliseconds matter to short times only. */
function time(ms: number): string {
  return formatDuration(ms < 10_000 ? Math.round(ms) : Math.round(ms / 1_000) * 1_000);
}
