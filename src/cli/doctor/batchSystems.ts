/** Check of the batch systems on this host: their commands, their versions, and whether their servers answer. Submits nothing. */
import { type BriefResult, briefRun, firstLine } from '../../common/briefRun.ts';
import { type Finding, ok, reasonOf, warning } from './finding.ts';

/** A batch server under load answers in seconds; a login node's command never takes longer than a user waits, milliseconds. */
const ANSWER_TIMEOUT_MS = 10_000;

interface BatchSystem {
  readonly name: string;
  readonly title: string;
  /** Used to submit, look at and cancel allocations. */
  readonly commands: readonly string[];
  /** Asks the server of the batch system, not only the command. */
  readonly question: readonly [string, ...string[]];
}

const SYSTEMS: readonly BatchSystem[] = [
  {
    name: 'slurm',
    title: 'Slurm',
    commands: ['sbatch', 'squeue', 'scancel', 'sinfo'],
    question: ['sinfo', '--noheader', '--format=%P'],
  },
  { name: 'pbs', title: 'PBS', commands: ['qsub', 'qstat', 'qdel'], question: ['qstat', '-Q'] },
];

export interface BatchCheckOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
}

/** @returns one finding per batch system; having none is no fault, because workers can be started by hand */
export function checkBatchSystems({ env, timeoutMs = ANSWER_TIMEOUT_MS }: BatchCheckOptions): Promise<Finding[]> {
  return Promise.all(SYSTEMS.map((system) => checkSystem(system, { env, timeoutMs })));
}

async function checkSystem({ name, title, commands, question }: BatchSystem, o: Required<BatchCheckOptions>): Promise<Finding> {
  const ran = await Promise.all(commands.map(async (command) => ({ command, result: await briefRun(command, ['--version'], o) })));
  const missing = ran.filter(({ result }) => result.kind === 'missing').map(({ command }) => command);
  if (missing.length === commands.length) return ok(name, `no ${title} here (no ${commands.join(', ')} on PATH)`);
  const broken = ran.flatMap(({ command, result }) => complaint(`${command} --version`, result, o.timeoutMs) ?? []);
  const advice = `Allocations on ${title} need ${commands.join(', ')}: load its module, or ask the administrators of this host`;
  if (missing.length > 0) broken.push(`${missing.join(', ')} not found`);
  if (broken.length > 0) return warning(name, broken.join('; '), advice);
  const version = firstLine(ran[0]?.result as Extract<BriefResult, { kind: 'exit' }>);
  const [program, ...args] = question;
  const silent = complaint(question.join(' '), await briefRun(program, args, o), o.timeoutMs);
  return silent === undefined ? ok(name, `${version}, and its server answers`) : warning(name, `${version}, but ${silent}`, advice);
}

/** @returns what is wrong with a command that was found; undefined when nothing is */
function complaint(command: string, result: BriefResult, timeoutMs: number): string | undefined {
  switch (result.kind) {
    case 'timeout':
      return `${command} does not answer within ${timeoutMs / 1_000} s`;
    case 'failed':
      return `${command} cannot be run: ${reasonOf(result.why)}`;
    case 'exit':
      return result.code === 0 ? undefined : `${command} failed with exit code ${result.code}: ${firstLine(result)}`;
    case 'missing':
      return undefined;
  }
}
