/** How the process of a warm runner is started, by what its tasks ask for. Pure; called by `WarmLauncher`. */
import { singleQuoted } from '../../common/shellText.ts';
import type { WarmSpec } from '../../protocol/schema/task.ts';

/** The longest text that fits into an argument, bytes. */
const ARGUMENT_BYTES = 120_000;

/** In a prologue: what is different for each task, or acts, or ends, when a task ends. Such a prologue has to run with each of them. */
const OF_EACH_TASK = /HQ_|VISIBLE_DEVICES|\$\$|\bBASHPID\b|\bRANDOM\b|\bmktemp\b|\btrap\b|\bexec\b|(?<![&>])&(?![&>\d])/;

export interface WarmStart {
  /** Program, looked up in the PATH of the tasks. */
  readonly path: string;
  readonly args: readonly string[];
  /** Where it starts when others than we may print and read before it is up; undefined: at `/`, and it speaks over its standard channels. */
  readonly apart: string | undefined;
}

export interface WarmPlace {
  /** Node-local directory of this worker. */
  readonly directory: string;
  /** Working directory of the tasks. */
  readonly cwd: string;
  /** The last argument of the first task. */
  readonly example: string;
  /** What has changed so often that each task does it anew. */
  readonly restless: boolean;
  /** Modules that tasks have been seen to load. */
  readonly learned: readonly string[];
  /** It is to tell which modules tasks load. */
  readonly learns: boolean;
}

/** @returns a sentence when such tasks have to be started by their command */
export function warmStart(warm: WarmSpec, o: WarmPlace): WarmStart | string {
  return warm.kind === 'python' ? functionStart(warm, o) : snakemakeStart(warm, o);
}

/** A runner gets a shell command of the run as its example, from which it learns what all have in common. */
function snakemakeStart(warm: WarmSpec, { directory, cwd, example, restless }: WarmPlace): WarmStart | string {
  if (Buffer.byteLength(example) > ARGUMENT_BYTES) return 'a job is started by its command: its command is too long for a warm runner';
  const level = restless ? 'imports' : warm.level;
  return { path: warm.python, args: ['-m', 'hq_bridge.warm', warm.kind, level, directory, cwd, example], apart: undefined };
}

function functionStart(warm: WarmSpec, { directory, cwd, restless, ...o }: WarmPlace): WarmStart | string {
  const { prologue = '', shell = 'bash', imports } = warm;
  const each = OF_EACH_TASK.exec(prologue);
  if (each !== null) return `functions are started by their command: their prologue has ${each[0]}, which is for each task alone`;
  const learned = Buffer.byteLength(o.learned.join(' ')) > ARGUMENT_BYTES / 2 ? [] : o.learned;
  const wanted = JSON.stringify({ imports: restless ? [] : (imports ?? []), learned, learns: o.learns && imports === undefined });
  const args = ['-m', 'hq_bridge.warm', warm.kind, warm.level, directory, cwd, wanted];
  if (prologue === '') return { path: warm.python, args, apart: cwd };
  // As `PythonEnv` puts its own command behind it.
  const text = `${prologue}\n\n${warm.python} ${args.map(singleQuoted).join(' ')}`;
  if (Buffer.byteLength(text) > ARGUMENT_BYTES)
    return 'functions are started by their command: their prologue is too long for a warm runner';
  return { path: shell, args: ['-c', text], apart: cwd };
}
