/** The report of a workflow run as one HTML page that needs nothing else, no network and no script. Pure. Used by `hq report snakemake`. */
import type { JobAttempt, SnakemakeReport } from '../../protocol/schema/snakemakeReport.ts';
import { BARS_MAX, PAGE_STYLE } from '../pageStyle.ts';
import { barsSvg, escaped, secondsLabel, stepsSvg } from '../svg.ts';
import { type Bar, inLanes, stepsOf } from '../timeline.ts';
import { adviceText, RULE_HEAD, ruleRows } from './rows.ts';

/** One after the other for the rules; a workflow with more has some colours twice. */
const COLORS = ['#1b7837', '#b35806', '#762a83', '#2166ac', '#c51b7d', '#8c510a', '#35978f', '#4d4d4d'];
const FAILED = '#d73027';
const WAITING = '#999999';
/** Pixels of the drawing of a line. */
const HEIGHT = 160;
/** Failed attempts in the list. */
const FAILURES_MAX = 200;

/** @returns a whole HTML document */
export function snakemakePage(report: SnakemakeReport): string {
  const title = `${report.name}: job ${report.jobId}`;
  const colors = new Map(report.rules.map(({ rule }, index) => [rule, COLORS[index % COLORS.length] as string]));
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}</title><style>${PAGE_STYLE}
pre{background:#f6f6f6;padding:.6em 1em;overflow:auto}</style></head><body>
<h1>${escaped(title)}</h1>
<p>${escaped(summaryText(report))}</p>
${table(RULE_HEAD, ruleRows(report))}
${adviceSection(report)}
<h2>Jobs at a time</h2>
${atATime(report)}
<h2>Who ran what when</h2>
<p>${[...colors].map(([rule, color]) => key(color, rule)).join('')}${key(FAILED, 'failed or restarted')}</p>
${report.workers.map((worker) => workerSection(report, { ...worker, colors })).join('\n')}
${failureSection(report.attempts)}
</body></html>
`;
}

function summaryText({ startedAt, wallMs, attempts, workers }: SnakemakeReport): string {
  const jobs = new Set(attempts.map(({ taskId }) => taskId)).size;
  return `${startedAt}: ${jobs} jobs in ${attempts.length} attempts on ${workers.length} workers within ${secondsLabel(wallMs)}.`;
}

function adviceSection(report: SnakemakeReport): string {
  const text = adviceText(report);
  if (text === '') return '<p>What the jobs asked for is close to what they used: nothing to change.</p>';
  return `<h2>What to ask for</h2>
<p>From what the jobs of this run used, with some room. Memory and CPU time include the Snakemake that each job starts for itself.</p>
<pre>${escaped(text)}</pre>`;
}

/** Running and waiting jobs on one time axis. */
function atATime({ attempts, wallMs }: SnakemakeReport): string {
  const running = stepsOf(attempts.map(({ startedMs, endedMs }) => ({ startMs: startedMs, endMs: endedMs })));
  const waiting = stepsOf(
    attempts.flatMap(({ submittedMs, startedMs }) => (submittedMs === null ? [] : [{ startMs: submittedMs, endMs: startedMs }])),
  );
  const lines = [
    { title: 'waiting', color: WAITING, steps: waiting, endMs: wallMs },
    { title: 'running', color: COLORS[0] as string, steps: running, endMs: wallMs },
  ];
  return `<h3>${lines.map(({ color, title }) => key(color, title)).join('')}</h3>${stepsSvg({ lines, endMs: wallMs, height: HEIGHT })}`;
}

function workerSection(
  { attempts, wallMs }: SnakemakeReport,
  { id, host, colors }: { id: number; host: string; colors: ReadonlyMap<string, string> },
): string {
  const all = inLanes(attempts.filter(({ worker }) => worker === id).map((attempt) => spanOf(attempt, colors)));
  const shown = all.slice(0, BARS_MAX);
  const cut = shown.length < all.length ? `, the first ${shown.length} of ${all.length} jobs` : '';
  return `<h3>worker ${id} on ${escaped(host)}${cut}</h3>
${barsSvg(shown, { endMs: wallMs })}`;
}

function spanOf(attempt: JobAttempt, colors: ReadonlyMap<string, string>): Omit<Bar, 'lane'> {
  const { rule, label, startedMs, endedMs, outcome } = attempt;
  const isBad = outcome === 'failed' || outcome === 'restarted';
  const title = `${label}, ${secondsLabel(startedMs)} to ${secondsLabel(endedMs)}, ${outcome}`;
  return { startMs: startedMs, endMs: endedMs, title, color: isBad ? FAILED : (colors.get(rule) ?? WAITING) };
}

function failureSection(attempts: readonly JobAttempt[]): string {
  const bad = attempts.filter(({ outcome }) => outcome === 'failed' || outcome === 'restarted');
  if (bad.length === 0) return '';
  const rows = bad
    .slice(0, FAILURES_MAX)
    .map((one) => [one.label, String(one.instance), one.outcome, secondsLabel(one.endedMs), one.reason ?? '']);
  const cut = rows.length < bad.length ? ` (the first ${rows.length} of ${bad.length})` : '';
  return `<h2>Failures${cut}</h2>\n${table(['job', 'attempt', 'what', 'at', 'why'], rows)}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (tag: string, cells: readonly string[]): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  return `<table>${[line('th', head), ...rows.map((cells) => line('td', cells))].join('\n')}</table>`;
}

function key(color: string, title: string): string {
  return `<span class="key" style="background:${color}"></span>${escaped(title)}`;
}
