/** The scene of a running server: asked for as often as the dashboard draws. What tasks hold of a worker is worked out of what they have requested. */
import type { HqClient } from '../client/client.ts';
import { IntArray } from '../common/intArray.ts';
import { parseRequest } from '../common/requestText.ts';
import { resolveResourceName } from '../common/resourceAlias.ts';
import { jobState } from '../protocol/jobState.ts';
import { UNITS_PER_WHOLE } from '../protocol/resourceTerms.ts';
import type { JobDetail, JobInfo, SubmitInfo } from '../protocol/schema/job.ts';
import type { ResourceRequest } from '../protocol/schema/resources.ts';
import type { TaskInfo, TaskSpec } from '../protocol/schema/task.ts';
import type { WorkerInfo } from '../protocol/schema/worker.ts';
import { unitsOf } from '../resources/pool.ts';
import type { Scene } from './scene.ts';

/** Rows that a person would look through; more would cost the server more than they tell. */
const TASKS_MAX = 2_000;
/** Jobs of which it is worked out what their tasks hold. */
const BUSY_JOBS_MAX = 50;

/** Worker id -> resource -> units. */
type Held = Map<number, Map<string, number>>;

/** What a running task holds is that of its first variant: which one it has got is not told. */
export class LiveSource {
  private readonly client: HqClient;
  private readonly title: string;
  /** Submits never change, and a job only gets more of them. */
  private readonly details = new Map<number, { readonly taskCount: number; readonly detail: JobDetail }>();

  constructor(client: HqClient, title: string) {
    this.client = client;
    this.title = title;
  }

  /**
   * @param jobId whose tasks are wanted
   * @throws HqError when the server does not answer
   */
  async scene(jobId: number | null): Promise<Scene> {
    const [jobs, workers, queues] = await Promise.all([this.client.listJobs(), this.client.listWorkers(), this.client.listQueues()]);
    const [held, tasks, allocations] = await Promise.all([
      this.held(jobs, workers),
      jobId === null || !jobs.some(({ id }) => id === jobId) ? [] : this.client.listTasks(jobId, { limit: TASKS_MAX }),
      Promise.all(queues.map(({ id }) => this.client.queueAllocations(id))),
    ]);
    return {
      title: this.title,
      atMs: Date.now(),
      note: '',
      jobs: jobs.map((job) => ({ ...job, state: jobState(job) })).reverse(),
      tasks,
      workers: workers.map((worker) => workerLine(worker, held.get(worker.id))),
      queues: queues.map(({ id, params, manager, state, queued, running, pausedReason, lastError }) => ({
        ...{
          id,
          name: params.name ?? '',
          system: manager,
          state: state.toUpperCase(),
          queued,
          running,
          why: pausedReason ?? lastError ?? '',
        },
      })),
      allocations: allocations
        .flat()
        .map((one) => ({ ...one, id: one.id ?? '', state: one.state.toUpperCase(), detail: one.detail ?? '' }))
        .sort((a, b) => b.queuedAtMs - a.queuedAtMs),
    };
  }

  private async held(jobs: readonly JobInfo[], workers: readonly WorkerInfo[]): Promise<Held> {
    const held: Held = new Map();
    const known = new Map(workers.map((worker) => [worker.id, worker]));
    for (const job of jobs.filter(({ stats }) => stats.running > 0).slice(-BUSY_JOBS_MAX)) {
      const running = await this.client.listTasks(job.id, { states: ['running'] });
      const requests = new Requests((await this.detailOf(job)).submits);
      for (const task of running) for (const id of task.workers) addTo(held, known.get(id), requests.of(task));
    }
    return held;
  }

  private async detailOf({ id, taskCount }: JobInfo): Promise<JobDetail> {
    const known = this.details.get(id);
    if (known?.taskCount === taskCount) return known.detail;
    const detail = await this.client.jobDetail(id);
    this.details.set(id, { taskCount, detail });
    return detail;
  }
}

/** Finds what a task of a job has requested. */
class Requests {
  private readonly submits: readonly { readonly ids: IntArray; readonly submit: SubmitInfo }[];
  private readonly parsed = new Map<unknown, ResourceRequest>();

  constructor(submits: readonly SubmitInfo[]) {
    this.submits = submits.flatMap((submit) => {
      const ids = IntArray.parse(submit.taskIds);
      return typeof ids === 'string' ? [] : [{ ids, submit }];
    });
  }

  /** @returns undefined beyond the specifications that a server tells of a graph */
  of({ id }: TaskInfo): ResourceRequest | undefined {
    for (const { ids, submit } of this.submits) {
      const place = ids.indexOf(id);
      const spec = submit.specs[submit.kind === 'array' ? 0 : place] as TaskSpec | undefined;
      if (place < 0 || spec === undefined) continue;
      const known = this.parsed.get(spec) ?? parseRequest(spec.request);
      this.parsed.set(spec, known);
      return known;
    }
    return undefined;
  }
}

function addTo(held: Held, worker: WorkerInfo | undefined, request: ResourceRequest | undefined): void {
  const [variant] = request?.variants ?? [];
  if (worker === undefined || variant === undefined) return;
  const { resources } = worker.configuration.resources;
  const own = held.get(worker.id) ?? new Map<string, number>();
  held.set(worker.id, own);
  const provides = (name: string): boolean => resources.some((one) => one.name === name);
  const entries = variant.nodes > 0 ? resources.map(({ name }) => ({ name, policy: 'all' as const, units: 0 })) : variant.entries;
  for (const entry of entries) {
    const name = resolveResourceName(entry.name, provides);
    const resource = resources.find((one) => one.name === name);
    if (resource === undefined) continue;
    const units = entry.policy === 'all' ? unitsOf(resource) : entry.units;
    own.set(resource.name, Math.min(unitsOf(resource), (own.get(resource.name) ?? 0) + units));
  }
}

function workerLine(worker: WorkerInfo, held: Map<string, number> | undefined): Scene['workers'][number] {
  return {
    id: worker.id,
    host: worker.configuration.hostname,
    state: worker.state.toUpperCase(),
    sinceMs: worker.connectedAtMs,
    runningTasks: worker.runningTasks,
    resources: worker.configuration.resources.resources.map((resource) => ({
      name: resource.name,
      used: (held?.get(resource.name) ?? 0) / UNITS_PER_WHOLE,
      total: unitsOf(resource) / UNITS_PER_WHOLE,
    })),
  };
}
