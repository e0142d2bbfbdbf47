/** The property table of `task info`. */
import { formatDuration } from '../../common/duration.ts';
import { formatSize } from '../../common/size.ts';
import type { TaskDetail, TaskInfo } from '../../protocol/schema/task.ts';
import { requestText } from './jobRows.ts';
import { type Cell, localTime } from './tables.ts';

/** Time from start to end (or now); empty before the start. */
export function makespan(task: TaskInfo): string {
  if (task.startedAtMs === null) return '';
  return formatDuration(Math.max(0, (task.finishedAtMs ?? Date.now()) - task.startedAtMs));
}

export function taskRows(task: TaskDetail, verbose: boolean): (readonly [string, Cell])[] {
  const { spec } = task;
  const time = (atMs: number | null): string => (atMs === null ? '' : localTime(atMs));
  return [
    ['Task ID', task.id],
    ...(task.label === null ? [] : [['Label', task.label] as const]),
    ['State', task.state.toUpperCase()],
    ['Command', verbose ? spec.command.join('\n') : (spec.command[0] as string)],
    [
      'Environment',
      Object.entries(spec.env)
        .map(([name, value]) => `${name}=${value}`)
        .join('\n'),
    ],
    ['Worker', task.workers.join(', ')],
    ['Start', time(task.startedAtMs)],
    ['End', time(task.finishedAtMs)],
    ['Makespan', makespan(task)],
    ['Workdir', task.cwd ?? spec.cwd ?? ''],
    ['Stdout', task.stdout ?? ''],
    ['Stderr', task.stderr ?? ''],
    ['Time limit', spec.timeLimitMs === undefined ? 'None' : formatDuration(spec.timeLimitMs)],
    ['Resources', requestText(spec.request)],
    ['Priority', spec.priority],
    ['Pin', spec.pin ?? 'None'],
    ['Task dir', spec.taskDir === true || spec.request.some(({ nodes }) => nodes > 0) ? 'Yes' : 'No'],
    ['Crash limit', spec.crashLimit],
    ['Instance', task.instance],
    ['Dependencies', [...task.deps, ...task.afterOk.map(({ job, tasks }) => `${job}.${tasks}`)].join(', ')],
    ...usageRows(task),
    ['Error', task.error ?? ''],
  ];
}

function usageRows({ usage }: TaskInfo): (readonly [string, Cell])[] {
  if (usage === null) return [];
  const { userMs, systemMs } = usage;
  const memory = memoryText(usage);
  return [
    ...(userMs === null || systemMs === null
      ? []
      : [['CPU time', `${formatDuration(userMs)} user, ${formatDuration(systemMs)} system`] as const]),
    ...(memory === '' ? [] : [['Peak memory', memory] as const]),
  ];
}

/** All processes together; the largest one besides, when it is not all. */
function memoryText({ peakMemBytes, maxRssBytes }: NonNullable<TaskInfo['usage']>): string {
  if (peakMemBytes === null) return maxRssBytes === null ? '' : formatSize(maxRssBytes);
  const isAll = maxRssBytes === null || maxRssBytes >= peakMemBytes;
  return isAll ? formatSize(peakMemBytes) : `${formatSize(peakMemBytes)} (largest process: ${formatSize(maxRssBytes)})`;
}

/** Highest memory of a task for a list; empty when it is not known. */
export function peakMemory({ usage }: TaskInfo): string {
  const bytes = usage?.peakMemBytes ?? usage?.maxRssBytes ?? null;
  return bytes === null ? '' : formatSize(bytes);
}
