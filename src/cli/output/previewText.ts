/** What `--dry-run` shows as tables: the tasks as they were understood, and the workers that fit. */
import { IntArray } from '../../common/intArray.ts';
import type { SubmitPreview } from '../../protocol/schema/preview.ts';
import type { TaskSpec } from '../../protocol/schema/task.ts';
import { workerRows } from './explainText.ts';
import { sortedIds } from './idText.ts';
import { requestText, specRows } from './jobRows.ts';
import type { Cell } from './tables.ts';

/** Tasks of a graph that are shown one by one. */
export const SHOWN_TASKS = 20;

/** A submit that was only looked at. */
export interface Preview {
  /** Of the job; null for an open one. */
  readonly name: string | null;
  readonly submitDir: string;
  readonly stream: string | null;
  readonly kind: 'array' | 'graph';
  /** One for an array, one per task for a graph. */
  readonly specs: readonly TaskSpec[];
  /** Per task of a graph. */
  readonly deps: readonly (readonly number[])[];
  readonly preview: SubmitPreview;
}

/** @returns rows of a table of properties: the job, and for an array its tasks */
export function previewRows({ name, submitDir, stream, kind, specs, preview }: Preview): (readonly [string, Cell])[] {
  return [
    ...(name === null ? [] : [['Name', name] as const]),
    ['Tasks', `${preview.taskCount}; Ids: ${sortedIds(preview.taskIds)}`],
    ...(kind === 'array' ? specRows(specs[0] as TaskSpec, { submitDir, stream }) : []),
    ['Submission directory', submitDir],
  ];
}

/** @returns rows of a table: the first tasks of a graph */
export function graphRows({ specs, deps, preview }: Preview): Cell[][] {
  const ids = IntArray.parse(preview.taskIds) as IntArray;
  return specs
    .slice(0, SHOWN_TASKS)
    .map((spec, index) => [ids.at(index) ?? '', spec.command.join(' '), requestText(spec.request), (deps[index] ?? []).join(', ')]);
}

/** @returns rows of a table: tasks, request, workers, what is in the way */
export function fitRows({ requests }: SubmitPreview): Cell[][] {
  return requests.flatMap(({ taskIds, variants }) => {
    const rows = workerRows(variants);
    const none = variants.map(({ request }) => ['no worker is connected', request, ''] as const);
    return (rows.length === 0 ? none : rows).map(([workers, request, obstacles]) => [sortedIds(taskIds), request, workers, obstacles]);
  });
}
