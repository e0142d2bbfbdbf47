/** What a person has chosen to see, and how keys change it. Pure. */
import type { Scene } from './scene.ts';

export const TABS = ['jobs', 'tasks', 'workers', 'allocations'] as const;
export type Tab = (typeof TABS)[number];

export interface Screen {
  readonly tab: Tab;
  /** Line of each tab that is chosen, from 0. */
  readonly line: Readonly<Record<Tab, number>>;
  /** Whose tasks are shown; null: those of the first job. */
  readonly jobId: number | null;
  /** Only of a replay. */
  readonly paused: boolean;
  /** Milliseconds of the journal in a second. */
  readonly speed: number;
}

export const FIRST_SCREEN: Screen = {
  tab: 'jobs',
  line: { jobs: 0, tasks: 0, workers: 0, allocations: 0 },
  jobId: null,
  paused: false,
  speed: 1_000,
};

/** Fastest and slowest replay. */
const SPEED_MAX = 1_000_000;
const SPEED_MIN = 100;
const PAGE_LINES = 10;

/** @returns how many lines the table of a tab has */
export function lineCount(scene: Scene, tab: Tab): number {
  return tab === 'allocations' ? scene.queues.length + scene.allocations.length : scene[tab].length;
}

/** @param key as terminals name it: a character, `up`, `down`, `pageup`, `pagedown`, `tab`, `return`, `space` */
export function pressed(screen: Screen, key: string, scene: Scene): Screen {
  const number = TABS[Number(key) - 1];
  if (number !== undefined) return { ...screen, tab: number };
  switch (key) {
    case 'tab':
    case 'right':
      return { ...screen, tab: TABS[(TABS.indexOf(screen.tab) + 1) % TABS.length] as Tab };
    case 'left':
      return { ...screen, tab: TABS[(TABS.indexOf(screen.tab) + TABS.length - 1) % TABS.length] as Tab };
    case 'up':
    case 'k':
      return moved(screen, scene, -1);
    case 'down':
    case 'j':
      return moved(screen, scene, 1);
    case 'pageup':
      return moved(screen, scene, -PAGE_LINES);
    case 'pagedown':
      return moved(screen, scene, PAGE_LINES);
    case 'return':
      return opened(screen, scene);
    case 'space':
      return { ...screen, paused: !screen.paused };
    case '+':
      return { ...screen, speed: Math.min(SPEED_MAX, screen.speed * 10) };
    case '-':
      return { ...screen, speed: Math.max(SPEED_MIN, screen.speed / 10) };
    default:
      return screen;
  }
}

function moved(screen: Screen, scene: Scene, by: number): Screen {
  const last = Math.max(0, lineCount(scene, screen.tab) - 1);
  const line = Math.min(last, Math.max(0, screen.line[screen.tab] + by));
  return { ...screen, line: { ...screen.line, [screen.tab]: line } };
}

/** The tasks of the job that is chosen. */
function opened(screen: Screen, scene: Scene): Screen {
  const job = screen.tab === 'jobs' ? scene.jobs[screen.line.jobs] : undefined;
  return job === undefined ? screen : { ...screen, tab: 'tasks', jobId: job.id, line: { ...screen.line, tasks: 0 } };
}
