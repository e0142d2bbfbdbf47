/**
 * Figures: what a benchmark answers, and how they are printed. A figure is a value beside what bounds it (a limit or a peer, measured in the
 * same run) and, where there is one, its goal. Used by every benchmark and by run.mjs.
 */
import { availableParallelism } from 'node:os';

/** Between two columns. */
const GAP = '  ';

/**
 * @param {Samples} samples
 * @param {{
 *   name: string, of: string, unit: string, limit?: { name: string, of: string }, peer?: string | undefined,
 *   goal?: { max: number, of: 'value' | 'ratio' } | undefined, isRate?: boolean,
 * }} what `of` and `peer` name samples; a peer without any was not there; isRate: more is better, so that ratios are turned round and above 1 stays "slower"
 * @returns {Figure}
 *
 * @typedef {import('./statistics.mjs').Samples} Samples
 * @typedef {{
 *   name: string, value: number, unit: string, ratio: number | null, against: string | null, peerRatio: number | null,
 *   goal: { max: number, of: 'value' | 'ratio' } | null, met: boolean | null,
 * }} Figure
 */
export function figure(samples, { name, of, unit, limit, peer, goal, isRate = false }) {
  const over = (bound) => (isRate ? samples.ratio(bound, of) : samples.ratio(of, bound));
  const value = samples.median(of);
  const ratio = limit === undefined ? null : over(limit.of);
  return {
    name,
    value,
    unit,
    ratio,
    against: limit?.name ?? null,
    peerRatio: peer !== undefined && samples.has(peer) ? over(peer) : null,
    ...judged(goal, { value, ratio }),
  };
}

/**
 * A figure that says how another one grows.
 * @param {{ name: string, value: number, goal: { max: number, of: 'value' } }} growth
 * @returns {Figure}
 */
export function growthFigure({ name, value, goal }) {
  return { name, value, unit: '', ratio: null, against: null, peerRatio: null, ...judged(goal, { value }) };
}

function judged(goal, figures) {
  return goal === undefined ? { goal: null, met: null } : { goal, met: figures[goal.of] <= goal.max };
}

/** Three significant digits, all of those before the point, in groups. */
export function numberText(value) {
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString('en-US', { minimumFractionDigits: Math.min(digits, 4), maximumFractionDigits: Math.min(digits, 4) });
}

function goalText({ goal, met, unit }) {
  if (goal === null) return '';
  const bound = goal.of === 'ratio' ? `${goal.max} x` : `${numberText(goal.max)} ${unit}`.trimEnd();
  return `<= ${bound}, ${met ? 'met' : 'NOT met'}`;
}

const ratioText = (ratio) => (ratio === null ? '' : `${numberText(ratio)} x`);

function cells(item) {
  const ratio = item.ratio === null ? '' : `${ratioText(item.ratio)} ${item.against}`;
  return [item.name, numberText(item.value), item.unit, ratio, ratioText(item.peerRatio), goalText(item)];
}

/**
 * @param {readonly Figure[]} figures
 * @returns {string} one line per figure below a line of headings; columns that nobody fills are left out
 */
export function tableText(figures) {
  const heads = ['', 'value', '', 'ratio to', 'to peer', 'goal'];
  const rows = figures.map(cells);
  const used = heads.map((_head, at) => rows.some((row) => row[at] !== ''));
  const widths = heads.map((head, at) => Math.max(head.length, ...rows.map((row) => row[at].length)));
  const line = (row) =>
    row
      // Numbers end at the same place.
      .map((cell, at) => (at === 1 ? cell.padStart(widths[at]) : cell.padEnd(widths[at])))
      .filter((_cell, at) => used[at])
      .join(GAP)
      .trimEnd();
  return [heads, ...rows].map(line).join('\n');
}

/**
 * The report of a whole run as one JSON value; its layout is documented in docs/benchmarks.md.
 * @param {{ version: string, rounds: number, quick: boolean, outcomes: readonly Outcome[] }} report
 *
 * @typedef {{ name: string, title: string, figures: readonly Figure[], notes: readonly string[], ms: number } | { name: string, problem: string }} Outcome
 */
export function reportJson({ version, rounds, quick, outcomes }) {
  return {
    version,
    node: process.version,
    cpus: availableParallelism(),
    rounds,
    quick,
    benches: outcomes.filter(({ problem }) => problem === undefined),
    failures: outcomes.filter(({ problem }) => problem !== undefined),
  };
}
