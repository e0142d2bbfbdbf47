/** A scene as lines of text for a terminal. Pure. */
import { formatDuration } from '../common/duration.ts';
import { type ResourceUse, type Scene, totalOf } from './scene.ts';
import { lineCount, type Screen, TABS, type Tab } from './screen.ts';

export interface ViewOptions {
  readonly columns: number;
  readonly rows: number;
  readonly colors: boolean;
  /** A journal, not a server. */
  readonly isReplay: boolean;
}

/** Lines around the table: two of the head, tabs, a rule, the table's head, keys. */
const OTHER_LINES = 6;
const BAR_CELLS = 20;
const COLORS: Readonly<Record<string, number>> = {
  RUNNING: 33,
  FINISHED: 32,
  FAILED: 31,
  ABORTED: 31,
  CANCELED: 35,
  PAUSED: 31,
  RECONNECTING: 31,
};

/** @returns at most `rows` lines of at most `columns` characters, colours not counted */
export function view(scene: Scene, screen: Screen, o: ViewOptions): string[] {
  const { head, rows } = tableOf(scene, screen.tab);
  const room = Math.max(1, o.rows - OTHER_LINES);
  const chosen = Math.min(screen.line[screen.tab], Math.max(0, rows.length - 1));
  const first = Math.max(0, Math.min(chosen - Math.floor(room / 2), rows.length - room));
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const shown = rows.slice(first, first + room).map((row, i) => {
    const text = cut(lineOf(row, widths), o.columns - 2);
    return first + i === chosen && o.colors
      ? style(`> ${text}`, 7)
      : `${first + i === chosen ? '> ' : '  '}${painted(text, row, o.colors)}`;
  });
  const empty = shown.length === 0 ? [`  there are no ${screen.tab}`] : [];
  return [
    ...headLines(scene, o),
    tabsLine(scene, screen, o),
    cut('-'.repeat(o.columns), o.columns),
    `  ${cut(lineOf(head, widths), o.columns - 2)}`,
    ...shown,
    ...empty,
    cut(keysLine(screen, o), o.columns),
  ].slice(0, o.rows);
}

function headLines(scene: Scene, o: ViewOptions): string[] {
  const { running, waiting, finished, failed, canceled, aborted } = totalOf(scene.jobs);
  const time = new Date(scene.atMs).toISOString().slice(0, 19).replace('T', ' ');
  const tasks = `tasks: ${running} running, ${waiting} waiting, ${finished} finished, ${failed} failed, ${canceled + aborted} canceled or aborted`;
  const title = cut(`${scene.note === '' ? '' : `${scene.note} - `}${scene.title}  ${time} UTC`, o.columns);
  const cpus = useOf(scene, 'cpus');
  const use = cpus === null ? '' : `cpus ${bar(cpus)}  `;
  return [o.colors ? style(title, 1) : title, cut(`${use}${tasks}`, o.columns)];
}

/** Of all workers together; null where nothing is known. */
function useOf({ workers }: Scene, name: string): ResourceUse | null {
  const all = workers.flatMap(({ resources }) => resources.filter((one) => one.name === name && one.used !== null));
  if (all.length === 0) return null;
  const sum = (key: 'used' | 'total'): number => all.reduce((total, one) => total + (one[key] ?? 0), 0);
  return { name, used: sum('used'), total: sum('total') };
}

function bar({ used, total }: ResourceUse): string {
  const cells = total === 0 ? 0 : Math.round(((used ?? 0) / total) * BAR_CELLS);
  return `[${'#'.repeat(cells)}${'.'.repeat(BAR_CELLS - cells)}] ${rounded(used ?? 0)}/${rounded(total)}`;
}

function tabsLine(scene: Scene, screen: Screen, o: ViewOptions): string {
  const plain = tabsText(scene, screen, false);
  return o.colors && plain.length <= o.columns ? tabsText(scene, screen, true) : cut(plain, o.columns);
}

function tabsText(scene: Scene, screen: Screen, colors: boolean): string {
  const tabs = TABS.map((tab, i) => {
    const text = `[${i + 1}] ${tab} ${lineCount(scene, tab)}`;
    if (tab !== screen.tab) return ` ${text} `;
    return colors ? style(` ${text} `, 7) : `<${text}>`;
  });
  const of = screen.tab === 'tasks' && screen.jobId !== null ? `  of job ${screen.jobId}` : '';
  return `${tabs.join(' ')}${of}`;
}

function keysLine({ paused, speed }: Screen, { isReplay }: ViewOptions): string {
  const replay = isReplay ? `  space ${paused ? 'go on' : 'pause'}  b back  +/- speed (${rounded(speed / 1_000)}x)` : '';
  return `q quit  1-4 tab  up/down move  enter tasks of a job${replay}`;
}

type Table = { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] };

function tableOf(scene: Scene, tab: Tab): Table {
  switch (tab) {
    case 'jobs':
      return {
        head: ['ID', 'STATE', 'DONE', 'RUNNING', 'WAITING', 'FAILED', 'PROGRESS', 'NAME'],
        rows: scene.jobs.map(({ id, name, state, stats, taskCount }) => {
          const done = taskCount - stats.running - stats.waiting;
          const progress = bar({ name: '', used: done, total: taskCount });
          return [String(id), state, String(done), String(stats.running), String(stats.waiting), String(stats.failed), progress, name];
        }),
      };
    case 'tasks':
      return {
        head: ['TASK', 'STATE', 'WORKER', 'TIME', 'TRY', 'ERROR'],
        rows: scene.tasks.map((task) => {
          const time = task.startedAtMs === null ? '' : formatDuration(roundSecond((task.finishedAtMs ?? scene.atMs) - task.startedAtMs));
          const error = (task.error ?? '').replace(/\s+/g, ' ');
          return [String(task.id), task.state.toUpperCase(), task.workers.join(','), time, String(task.instance + 1), error];
        }),
      };
    case 'workers':
      return {
        head: ['ID', 'STATE', 'TASKS', 'SINCE', 'RESOURCES', 'HOST'],
        rows: scene.workers.map(({ id, state, runningTasks, sinceMs, resources, host }) => {
          const use = resources.map(({ name, used, total }) => `${name} ${used === null ? '' : `${rounded(used)}/`}${rounded(total)}`);
          return [String(id), state, String(runningTasks), formatDuration(roundSecond(scene.atMs - sinceMs)), use.join('  '), host];
        }),
      };
    case 'allocations':
      return {
        head: ['QUEUE', 'ALLOCATION', 'STATE', 'WORKERS', 'SINCE', 'DETAIL'],
        rows: [
          ...scene.queues.map((queue) => {
            const counts = `${queue.queued} queued, ${queue.running} running`;
            return [
              `${queue.id} ${queue.name}`.trim(),
              queue.system,
              queue.state,
              '',
              '',
              queue.why === '' ? counts : `${counts}; ${queue.why}`,
            ];
          }),
          ...scene.allocations.map(({ queueId, id, state, workers, queuedAtMs, detail }) => {
            return [String(queueId), id, state, String(workers), formatDuration(roundSecond(scene.atMs - queuedAtMs)), detail];
          }),
        ],
      };
  }
}

function lineOf(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, column) => cell.padEnd(widths[column] ?? 0))
    .join('  ')
    .trimEnd();
}

/** The state in its colour. */
function painted(text: string, row: readonly string[], colors: boolean): string {
  const state = row.find((cell) => COLORS[cell] !== undefined);
  return state === undefined || !colors ? text : text.replace(state, style(state, COLORS[state] as number));
}

const style = (text: string, code: number): string => `\u001b[${code}m${text}\u001b[0m`;
const cut = (text: string, columns: number): string => (text.length > columns ? text.slice(0, Math.max(0, columns)) : text);
const rounded = (amount: number): string => String(Math.round(amount * 100) / 100);
const roundSecond = (ms: number): number => Math.max(0, Math.round(ms / 1_000) * 1_000);
