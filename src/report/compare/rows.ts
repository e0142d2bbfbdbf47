/** The figures of a comparison as words: one row per figure, one cell per side. Pure. Used by the table renderer and by the HTML page. */
import type { CompareReport, CompareSide, Figure, SideFigures } from '../../protocol/schema/compare.ts';

/** Sides as people call them. */
export const SIDE_TITLES: Readonly<Record<CompareSide, string>> = {
  hyperqueue: 'hq on allocations',
  'sbatch-array': 'one sbatch --array',
  sbatch: 'one sbatch per task',
  'slurm-executor': 'Slurm executor',
};

export interface CompareRow {
  readonly name: string;
  readonly cells: readonly string[];
}

type FigureName = Exclude<keyof SideFigures, 'side' | 'runs'>;

const ROWS: readonly (readonly [name: string, figure: FigureName, print: (value: number) => string])[] = [
  ['wall time', 'wallMs', secondsText],
  ['per task beyond its run time', 'overheadMs', secondsText],
  ['CPU time on this host', 'cpuMs', secondsText],
  ['Slurm jobs', 'slurmJobs', countText],
  ['sbatch calls', 'sbatch', countText],
  ['squeue calls', 'squeue', countText],
  ['sacct calls', 'sacct', countText],
  ['other calls of Slurm', 'otherCalls', countText],
  ['controller requests', 'rpcs', countText],
  ['log files', 'logFiles', countText],
  ['inodes', 'inodes', countText],
  ['node-hours allocated', 'nodeHoursAllocated', hoursText],
  ['node-hours used', 'nodeHoursUsed', hoursText],
  ['failed tasks', 'failures', countText],
];

/** @returns the table's head: an empty cell, then the title of each side */
export function compareHead({ figures }: CompareReport): string[] {
  return ['', ...figures.map(({ side }) => SIDE_TITLES[side])];
}

/** @returns `median` alone where all repeats agree, else with the range behind it; `-` where it is not known */
export function compareRows({ figures }: CompareReport): CompareRow[] {
  return ROWS.map(([name, figure, print]) => ({ name, cells: figures.map((side) => figureText(side[figure], print)) }));
}

function figureText(figure: Figure | null, print: (value: number) => string): string {
  if (figure === null) return '-';
  const [middle, least, most] = [print(figure.median), print(figure.least), print(figure.most)];
  return least === most ? middle : `${middle} (${least} .. ${most})`;
}

/** Three digits that matter. */
function secondsText(ms: number): string {
  const seconds = ms / 1_000;
  return `${seconds.toFixed(Math.abs(seconds) >= 100 ? 0 : Math.abs(seconds) >= 10 ? 1 : Math.abs(seconds) >= 1 ? 2 : 3)} s`;
}

function countText(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}

function hoursText(value: number): string {
  return value.toFixed(4);
}
