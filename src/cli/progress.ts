/** Progress of jobs on stderr: a bar where it is a terminal, else a plain line per change of at least one percent. */
import cliProgress from 'cli-progress';
import type { TaskStats } from '../protocol/schema/job.ts';
import type { CliIo } from './io.ts';

export interface ProgressState {
  readonly jobs: number;
  readonly endedJobs: number;
  readonly tasks: TaskStats;
}

export interface Progress {
  update(state: ProgressState): void;
  stop(): void;
}

export function makeProgress(io: CliIo): Progress {
  return io.stderr.isTTY === true ? new BarProgress(io) : new LineProgress(io);
}

function count(tasks: TaskStats): { done: number; total: number } {
  const done = tasks.finished + tasks.failed + tasks.canceled + tasks.aborted;
  return { done, total: done + tasks.running + tasks.waiting };
}

/** `1/1 jobs, 9/10 tasks 1 RUNNING 8 FINISHED 1 FAILED` */
function describe(state: ProgressState): string {
  const { done, total } = count(state.tasks);
  const states = (['running', 'finished', 'failed', 'canceled', 'aborted'] as const).filter((key) => state.tasks[key] > 0);
  const words = states.map((key) => ` ${state.tasks[key]} ${key.toUpperCase()}`).join('');
  return `${state.endedJobs}/${state.jobs} jobs, ${done}/${total} tasks${words}`;
}

class BarProgress implements Progress {
  private readonly bar: cliProgress.SingleBar;

  constructor(io: CliIo) {
    this.bar = new cliProgress.SingleBar({
      stream: io.stderr as NodeJS.WriteStream,
      format: '[{bar}] {text}',
      barCompleteChar: '#',
      barIncompleteChar: '.',
      barsize: 40,
      hideCursor: true,
    });
    this.bar.start(1, 0, { text: '' });
  }

  update(state: ProgressState): void {
    const { done, total } = count(state.tasks);
    this.bar.setTotal(Math.max(total, 1));
    this.bar.update(done, { text: describe(state) });
  }

  stop(): void {
    this.bar.stop();
  }
}

class LineProgress implements Progress {
  private readonly io: CliIo;
  private lastPercent = -1;

  constructor(io: CliIo) {
    this.io = io;
  }

  update(state: ProgressState): void {
    const { done, total } = count(state.tasks);
    const percent = total === 0 ? 0 : Math.floor((done / total) * 100);
    if (percent === this.lastPercent) return;
    this.lastPercent = percent;
    this.io.stderr.write(`${describe(state)}\n`);
  }

  stop(): void {}
}
