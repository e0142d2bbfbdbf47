/** Creating, extending, closing, canceling and forgetting jobs. Every change is one step of the turn loop; answers wait for the disk. */
import type { IntArray } from '../common/intArray.ts';
import type { Core } from '../core/core.ts';
import { type Job, rowOf, unfinishedCount } from '../core/jobTable.ts';
import { onCancel, onClose } from '../core/reactor/onJob.ts';
import { onJobCreated, onSubmit } from '../core/reactor/onSubmit.ts';
import type { RequestClass } from '../core/requestClasses.ts';
import { HqError } from '../protocol/errors.ts';
import type { QueueForTask } from '../protocol/schema/explain.ts';
import type { CancelAnswer, CancelRequest, CreateJob, ModifyAnswer, ModifyRequest, Submitted } from '../protocol/schema/job.ts';
import type { PreviewRequest, SubmitPreview } from '../protocol/schema/preview.ts';
import type { Submit } from '../protocol/schema/task.ts';
import { type EndedEntries, lookUpEnded, NO_WAITS, resolveWaits, type Waits } from './awaited.ts';
import { parseIds } from './ids.ts';
import { modifyJob } from './jobModify.ts';
import { countSecretTasks, type JobStore, type LiveJob } from './jobStore.ts';
import type { Journal } from './journal/types.ts';
import type { Recorder } from './recorder.ts';
import { makeRecord } from './specs.ts';
import { type CheckedSubmit, checkSubmit, type JobIds } from './submitCheck.ts';
import { previewSubmit } from './submitPreview.ts';
import type { TurnLoop } from './turnLoop.ts';
import { unmetRequests } from './unmet.ts';

export interface JobServiceOptions {
  readonly core: Core;
  readonly store: JobStore;
  readonly recorder: Recorder;
  readonly loop: TurnLoop;
  readonly journal: Journal;
  readonly serverUid: string;
  /** Highest job id ever given out. */
  readonly lastJobId: number;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Could an allocation queue bring a worker for such tasks? */
  couldCome(requestClass: RequestClass): boolean;
  /** What allocation queues do about such tasks. */
  queuesFor(requestClass: RequestClass): QueueForTask[];
}

export class JobService {
  private readonly o: JobServiceOptions;
  private lastJobId: number;

  constructor(options: JobServiceOptions) {
    this.o = options;
    this.lastJobId = options.lastJobId;
  }

  /** @throws HqError HQ_E_EMPTY_SUBMIT, HQ_E_AFTER_OK and everything of `checkSubmit`; nothing is changed then */
  createJob(request: CreateJob): Promise<Submitted> {
    const { submit, open, ...header } = request;
    return this.waiting(submit, undefined, (waits) => {
      if (submit === undefined && !open) throw new HqError('HQ_E_EMPTY_SUBMIT');
      const jobId = this.lastJobId + 1;
      const checked = submit === undefined ? null : this.check(submit, { jobId, maxTaskId: -1, has: () => false });
      this.lastJobId = jobId;
      const atMs = this.o.now();
      this.o.store.add({ jobId, header, submittedAtMs: atMs, submits: [], cancelReason: null, finishedAtMs: null });
      onJobCreated(this.o.core, { jobId, open, maxFails: header.maxFails ?? null });
      this.o.recorder.entry({ kind: 'job', jobId, header, open, atMs });
      this.o.recorder.event({ type: 'job-created', jobId, name: header.name, open });
      if (submit === undefined || checked === null) return { jobId, taskIds: '', warnings: [] };
      return this.enter(jobId, submit, checked, waits);
    });
  }

  /** Adds tasks to an open job. @throws HqError HQ_E_JOB_NOT_FOUND, HQ_E_JOB_NOT_OPEN, HQ_E_AFTER_OK and everything of `checkSubmit` */
  submitTasks(jobId: number, submit: Submit): Promise<Submitted> {
    return this.waiting(submit, jobId, (waits) => {
      const { core } = this.openJob(jobId);
      return this.enter(jobId, submit, this.check(submit, idsOf(core)), waits);
    });
  }

  /** What `createJob` or `submitTasks` would do. @throws HqError what they would throw; neither jobs nor tasks change in any case */
  async preview({ jobId, submit }: PreviewRequest): Promise<SubmitPreview> {
    const { warnings } = await this.waits(submit, jobId);
    const ids = jobId === undefined ? { jobId: this.lastJobId + 1, maxTaskId: -1, has: () => false } : idsOf(this.openJob(jobId).core);
    const seen = previewSubmit(this.o.core, this.check(submit, ids), {
      nowMs: this.o.now(),
      couldCome: this.o.couldCome,
      queuesFor: this.o.queuesFor,
    });
    return { ...seen, warnings: [...warnings, ...seen.warnings] };
  }

  /** @throws HqError HQ_E_JOB_NOT_FOUND, HQ_E_JOB_NOT_OPEN */
  closeJob(jobId: number): Promise<void> {
    return this.o.loop.transact(() => {
      this.openJob(jobId);
      this.o.recorder.entry({ kind: 'job-closed', jobId });
      this.o.recorder.event({ type: 'job-closed', jobId });
      onClose(this.o.core, this.o.recorder, { jobId, nowMs: this.o.now() });
    });
  }

  /** Tasks of a job that ended before count as done. @throws HqError HQ_E_JOB_NOT_FOUND, HQ_E_ARRAY, HQ_E_TASK_NOT_FOUND */
  async cancel(jobId: number, request: CancelRequest): Promise<CancelAnswer> {
    const taskIds = request.taskIds === undefined ? null : parseIds(request.taskIds);
    if (this.o.store.get(jobId) === undefined) return this.cancelEnded(jobId, taskIds);
    return this.o.loop.transact(() => {
      const job = this.o.store.get(jobId);
      if (job === undefined) return { canceled: 0, alreadyDone: taskIds?.length ?? 0 };
      for (const id of taskIds ?? []) {
        if (rowOf(job.core, id) < 0) throw new HqError('HQ_E_TASK_NOT_FOUND', { task: id, job: jobId });
      }
      const reason = request.reason ?? null;
      if (taskIds === null) {
        job.live.cancelReason = reason;
        this.o.recorder.entry({ kind: 'job-canceled', jobId, reason });
        this.o.recorder.event({ type: 'job-canceled', jobId, reason });
      }
      return onCancel(this.o.core, this.o.recorder, { jobId, taskIds, reason, nowMs: this.o.now() });
    });
  }

  /** @throws HqError HQ_E_JOB_NOT_FOUND, HQ_E_JOB_ENDED, HQ_E_TASK_NOT_FOUND, HQ_E_ARRAY */
  async modify(jobId: number, request: ModifyRequest): Promise<ModifyAnswer> {
    const { core, recorder, store, journal, loop } = this.o;
    if (store.get(jobId) === undefined && (await journal.job(jobId)) === null) throw new HqError('HQ_E_JOB_NOT_FOUND', { job: jobId });
    return loop.transact(() => {
      const job = store.get(jobId);
      if (job === undefined) throw new HqError('HQ_E_JOB_ENDED', { job: jobId });
      return modifyJob({ core, recorder, nowMs: this.o.now() }, job, request);
    });
  }

  /** Drops an ended job from lists and journal. @throws HqError HQ_E_JOB_NOT_FOUND, HQ_E_JOB_RUNNING */
  async forgetJob(jobId: number): Promise<void> {
    if (this.o.store.get(jobId) === undefined && (await this.o.journal.job(jobId)) === null)
      throw new HqError('HQ_E_JOB_NOT_FOUND', { job: jobId });
    await this.o.loop.transact(() => {
      if (this.o.store.get(jobId) !== undefined) throw new HqError('HQ_E_JOB_RUNNING', { job: jobId });
      this.o.recorder.entry({ kind: 'job-forgotten', jobId });
      this.o.recorder.event({ type: 'job-forgotten', jobId });
    });
  }

  /** Runs a step with what the submit waits for, as it is in the turn of the step. */
  private async waiting<T>(submit: Submit | undefined, jobId: number | undefined, step: (waits: Waits) => T): Promise<T> {
    const { loop, store } = this.o;
    const afterOk = submit?.afterOk;
    if (afterOk === undefined) return loop.transact(() => step(NO_WAITS));
    // In the usual case all of them are in memory, and nothing has to be looked up.
    for (let ended: EndedEntries = new Map(); ; ended = await lookUpEnded(afterOk, { ...this.o, lastJobId: this.lastJobId })) {
      const known = ended;
      const done = await loop.transact(() => {
        const waits = resolveWaits(afterOk, { ended: known, store, jobId });
        return waits === null ? null : { value: step(waits) };
      });
      if (done !== null) return done.value;
    }
  }

  private async waits({ afterOk }: Submit, jobId: number | undefined): Promise<Waits> {
    if (afterOk === undefined) return NO_WAITS;
    for (;;) {
      const ended = await lookUpEnded(afterOk, { ...this.o, lastJobId: this.lastJobId });
      const waits = resolveWaits(afterOk, { ended, store: this.o.store, jobId });
      if (waits !== null) return waits;
    }
  }

  private check(submit: Submit, job: JobIds): CheckedSubmit {
    const checked = checkSubmit(submit, job);
    if (submit.strict) {
      const { core, couldCome } = this.o;
      const unmet = core.classes.forget(() => unmetRequests(core, checked.traits, couldCome));
      if (unmet.length > 0) throw new HqError('HQ_E_UNMET_REQUEST', { detail: unmet.join('; ') });
    }
    return checked;
  }

  private enter(jobId: number, given: Submit, checked: CheckedSubmit, { afterOk, awaited, unsuccessful, warnings }: Waits): Submitted {
    const { core, recorder } = this.o;
    const { live } = this.o.store.get(jobId) as { live: LiveJob };
    const submitIndex = live.submits.length;
    const submit = afterOk === undefined ? given : { ...given, afterOk: [...afterOk] };
    const record = makeRecord({ jobId, submitIndex, ids: checked.ids, submit, serverUid: this.o.serverUid });
    record.secretTasksLeft = countSecretTasks(record, checked.ids.length);
    live.submits.push(record);
    const wasIdle = live.finishedAtMs !== null;
    live.finishedAtMs = null;
    const [taskIds, atMs] = [checked.ids.toString(), this.o.now()];
    recorder.entry({ kind: 'submit', jobId, submitIndex, taskIds, submit, atMs });
    recorder.event({ type: 'tasks-submitted', jobId, ids: taskIds });
    onSubmit(core, recorder, { jobId, submitIndex, ...checked, awaited, unsuccessful, nowMs: atMs });
    const job = core.jobs.get(jobId);
    if (wasIdle && job !== undefined && unfinishedCount(job) > 0) {
      recorder.entry({ kind: 'job-stats', jobId, stats: { ...job.stats }, finishedAtMs: null, completed: false });
    }
    return { jobId, taskIds, warnings: [...warnings, ...unmetRequests(core, checked.traits, this.o.couldCome)] };
  }

  private openJob(jobId: number): { live: LiveJob; core: NonNullable<ReturnType<JobStore['get']>>['core'] } {
    const job = this.o.store.get(jobId);
    if (job === undefined) throw new HqError(jobId <= this.lastJobId ? 'HQ_E_JOB_NOT_OPEN' : 'HQ_E_JOB_NOT_FOUND', { job: jobId });
    if (!job.core.open) throw new HqError('HQ_E_JOB_NOT_OPEN', { job: jobId });
    return job;
  }

  private async cancelEnded(jobId: number, taskIds: IntArray | null): Promise<CancelAnswer> {
    const row = await this.o.journal.job(jobId);
    if (row === null) throw new HqError('HQ_E_JOB_NOT_FOUND', { job: jobId });
    return { canceled: 0, alreadyDone: taskIds?.length ?? row.taskCount };
  }
}

function idsOf(job: Job): JobIds {
  return { jobId: job.id, maxTaskId: job.maxTaskId, has: (taskId) => rowOf(job, taskId) >= 0 };
}
