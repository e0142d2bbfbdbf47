/** A comparison as one HTML page that needs nothing else, no network and no script: the table, and a timeline of each repeat. Pure. Used by `hq compare`. */
import type { ComparedRun, CompareReport, CompareSetting, CompareSide } from '../../protocol/schema/compare.ts';
import { BARS_MAX, PAGE_STYLE } from '../pageStyle.ts';
import { barsSvg, escaped, stepsSvg } from '../svg.ts';
import { compareHead, compareRows, SIDE_TITLES } from './rows.ts';
import { jobBars, lastMoment, noticedSteps, runningSteps } from './timeline.ts';

const COLORS: Readonly<Record<CompareSide, string>> = {
  hyperqueue: '#1b7837',
  'sbatch-array': '#b35806',
  sbatch: '#762a83',
  'slurm-executor': '#b35806',
};

/** Pixels of the drawing of a line. */
const NOTICED_HEIGHT = 220;
const RUNNING_HEIGHT = 110;

/** @returns a whole HTML document */
export function comparePage(report: CompareReport): string {
  const { setting, runs } = report;
  const repeats = [...new Set(runs.map(({ repeat }) => repeat))];
  const title = `${setting.kind === 'array' ? `${setting.tasks} tasks` : 'A workflow'} on ${report.figures.map(({ side }) => SIDE_TITLES[side]).join(' and ')}`;
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}</title><style>${PAGE_STYLE}</style></head><body>
<h1>${escaped(title)}</h1>
${settingText(setting)}
${tableText(report)}
<p>Medians over the repeats, with the range in brackets. <em>Per task beyond its run time</em>: the median over the tasks of (end noticed − submitted − own run time),
so time in a queue counts. CPU time is that of all processes of the side on the submitting host.</p>
${repeats.map((repeat) => repeatText(repeat, runs)).join('\n')}
</body></html>
`;
}

function settingText(setting: CompareSetting): string {
  const { slurm, partition, nodes, nodeCpus, command, createdAt, host } = setting;
  const what = setting.kind === 'array' ? 'each task runs' : 'arguments of Snakemake:';
  const where = `Slurm ${slurm}, partition ${partition}, at most ${nodes} nodes of ${nodeCpus} CPUs`;
  return `<p>${escaped(`${createdAt}, ${host}. ${where}; ${what}`)} <code>${escaped(command.join(' '))}</code></p>`;
}

function tableText(report: CompareReport): string {
  const head = compareHead(report).map((cell) => `<th>${escaped(cell)}</th>`);
  const rows = compareRows(report).map(
    ({ name, cells }) => `<tr><td>${escaped(name)}</td>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`,
  );
  return `<table><tr>${head.join('')}</tr>\n${rows.join('\n')}</table>`;
}

/** All sides of a repeat on one time axis. */
function repeatText(repeat: number, all: readonly ComparedRun[]): string {
  const runs = all.filter((run) => run.repeat === repeat);
  const endMs = lastMoment(runs);
  const lines = runs.map((run) => ({ title: SIDE_TITLES[run.side], color: COLORS[run.side], steps: noticedSteps(run), endMs: run.wallMs }));
  const key = runs.map(({ side }) => `<span class="key" style="background:${COLORS[side]}"></span>${escaped(SIDE_TITLES[side])}`);
  return `<h2>Repeat ${repeat}</h2>
<h3>tasks whose end was noticed ${key.join('')}</h3>
${stepsSvg({ lines, endMs, height: NOTICED_HEIGHT })}
${runs.map((run) => runText(run, endMs)).join('\n')}`;
}

function runText(run: ComparedRun, endMs: number): string {
  const [title, color] = [escaped(SIDE_TITLES[run.side]), COLORS[run.side]];
  const bars = jobBars(run, color);
  const shown = bars.slice(0, BARS_MAX);
  const cut = shown.length < bars.length ? `, the first ${shown.length} of ${bars.length}` : '';
  const running = { title: `${title}: running tasks`, color, steps: runningSteps(run), endMs: run.wallMs };
  return `<h3>${title}: tasks that run</h3>
${stepsSvg({ lines: [running], endMs, height: RUNNING_HEIGHT })}
<h3>${title}: jobs of Slurm${cut}</h3>
${barsSvg(shown, { endMs })}`;
}
