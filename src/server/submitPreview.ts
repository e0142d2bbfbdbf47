/** What a checked submit would meet: its requests, and which workers fit each. Called by the job service; nothing is left of it in the core. */
import { IntArray } from '../common/intArray.ts';
import type { Core } from '../core/core.ts';
import { explainRequest } from '../core/explain/explain.ts';
import type { RequestClass } from '../core/requestClasses.ts';
import type { QueueForTask } from '../protocol/schema/explain.ts';
import type { SubmitPreview } from '../protocol/schema/preview.ts';
import type { CheckedSubmit } from './submitCheck.ts';
import { unmetRequests } from './unmet.ts';

/** Each costs a look at every worker. */
const SHOWN_REQUESTS = 50;

interface Group {
  readonly requestClass: RequestClass;
  readonly priority: number;
  readonly ids: number[];
}

export interface PreviewOptions {
  /** Unix milliseconds. */
  readonly nowMs: number;
  /** Could an allocation queue bring a worker for such tasks? */
  couldCome(requestClass: RequestClass): boolean;
  /** What allocation queues would do about such tasks. */
  queuesFor(requestClass: RequestClass): QueueForTask[];
}

/** @returns what the submit would answer, and where its tasks fit */
export function previewSubmit(core: Core, submit: CheckedSubmit, options: PreviewOptions): SubmitPreview {
  return core.classes.forget(() => preview(core, submit, options));
}

function preview(core: Core, { ids, traits }: CheckedSubmit, { nowMs, couldCome, queuesFor }: PreviewOptions): SubmitPreview {
  const [only] = traits;
  const groups: readonly { requestClass: RequestClass; priority: number; ids: IntArray }[] =
    traits.length === 1 && only !== undefined
      ? [{ requestClass: core.classes.intern(only.request, only.timeLimitMs), priority: only.priority, ids }]
      : grouped(core, { ids, traits }).map((group) => ({ ...group, ids: IntArray.from(group.ids) }));
  return {
    taskIds: ids.toString(),
    taskCount: ids.length,
    warnings: unmetRequests(core, traits, couldCome),
    requests: groups.slice(0, SHOWN_REQUESTS).map((group) => ({
      taskIds: group.ids.toString(),
      taskCount: group.ids.length,
      variants: explainRequest(core, group.requestClass, { priority: group.priority, nowMs }),
      queues: queuesFor(group.requestClass),
    })),
    moreRequests: Math.max(0, groups.length - SHOWN_REQUESTS),
  };
}

/** Tasks of one class and priority stand together. */
function grouped(core: Core, { ids, traits }: Pick<CheckedSubmit, 'ids' | 'traits'>): Group[] {
  const groups = new Map<string, Group>();
  let index = 0;
  for (const id of ids) {
    const { request, timeLimitMs, priority } = traits[index] as CheckedSubmit['traits'][number];
    index += 1;
    const requestClass = core.classes.intern(request, timeLimitMs);
    const key = `${requestClass.id}:${priority}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { requestClass, priority, ids: [id] });
    else group.ids.push(id);
  }
  return [...groups.values()];
}
