/**
 * Every route of the API, once: address, what comes in, what goes out, which errors are its own. The app mounts this table, the OpenAPI
 * document is made out of it, and the handlers' types follow from it.
 */
import type * as z from 'zod';
import type { ErrorCode } from '../../protocol/errors.ts';
import type { MODELS, ModelName } from './models.ts';
import {
  eventsQuery,
  jobParams,
  jobsQuery,
  leaseParams,
  outputParams,
  outputQuery,
  taskParams,
  tasksQuery,
  workerParams,
  workersQuery,
} from './params.ts';
import { QUEUE_ROUTES } from './queueRoutes.ts';
import type { Route } from './route.ts';

/** What can be wrong with the tasks of a submit. */
const BAD_TASKS = [
  'HQ_E_ARRAY',
  'HQ_E_RESOURCE_REQUEST',
  'HQ_E_DEPENDENCY',
  'HQ_E_AFTER_OK',
  'HQ_E_TASK_EXISTS',
  'HQ_E_EMPTY_SUBMIT',
  'HQ_E_UNMET_REQUEST',
] as const satisfies readonly ErrorCode[];

export const ROUTES = {
  health: { method: 'get', path: '/v1/health', summary: 'Is the server there', status: 200, answer: 'health', errors: [] },
  openApi: { method: 'get', path: '/v1/openapi.json', summary: 'This document', status: 200, answer: null, errors: [] },
  serverInfo: { method: 'get', path: '/v1/server', summary: 'The server about itself', status: 200, answer: 'serverInfo', errors: [] },
  stopServer: {
    method: 'post',
    path: '/v1/server/stop',
    summary: 'Stop the server, its workers and its allocations',
    body: 'stopRequest',
    bodyOptional: true,
    status: 204,
    answer: null,
    errors: [],
  },
  debugDump: {
    method: 'get',
    path: '/v1/server/dump',
    summary: "The scheduler's state, for debugging",
    status: 200,
    answer: 'debugDump',
    errors: [],
  },
  flushJournal: {
    method: 'post',
    path: '/v1/journal/flush',
    summary: 'Answered when everything that has happened is on disk',
    status: 204,
    answer: null,
    errors: ['HQ_E_JOURNAL_WRITE'],
  },
  pruneJournal: {
    method: 'post',
    path: '/v1/journal/prune',
    summary: 'Delete completed jobs, workers and allocations that have ended, and old events',
    body: 'pruneRequest',
    bodyOptional: true,
    status: 204,
    answer: null,
    errors: ['HQ_E_JOURNAL_WRITE'],
  },
  backupJournal: {
    method: 'post',
    path: '/v1/journal/backup',
    summary: 'Copy the journal into a new file while the server goes on',
    body: 'backupRequest',
    status: 204,
    answer: null,
    errors: ['HQ_E_BACKUP'],
  },
  createJob: {
    method: 'post',
    path: '/v1/jobs',
    summary: 'Create a job, with any number of like or unlike tasks',
    body: 'createJob',
    status: 201,
    answer: 'submitted',
    errors: [...BAD_TASKS, 'HQ_E_JOURNAL_WRITE'],
  },
  listJobs: {
    method: 'get',
    path: '/v1/jobs',
    summary: 'Jobs, sorted by id',
    query: jobsQuery,
    status: 200,
    answer: ['jobInfo'],
    errors: [],
  },
  jobDetail: {
    method: 'get',
    path: '/v1/jobs/{id}',
    summary: 'One job with what was submitted',
    params: jobParams,
    status: 200,
    answer: 'jobDetail',
    errors: ['HQ_E_JOB_NOT_FOUND'],
  },
  forgetJob: {
    method: 'delete',
    path: '/v1/jobs/{id}',
    summary: 'Forget an ended job',
    params: jobParams,
    status: 204,
    answer: null,
    errors: ['HQ_E_JOB_NOT_FOUND', 'HQ_E_JOB_RUNNING', 'HQ_E_JOURNAL_WRITE'],
  },
  submitTasks: {
    method: 'post',
    path: '/v1/jobs/{id}/tasks',
    summary: 'Add tasks to an open job',
    params: jobParams,
    body: 'submit',
    status: 200,
    answer: 'submitted',
    errors: ['HQ_E_JOB_NOT_FOUND', 'HQ_E_JOB_NOT_OPEN', ...BAD_TASKS, 'HQ_E_JOURNAL_WRITE'],
  },
  previewSubmit: {
    method: 'post',
    path: '/v1/preview',
    summary: 'What would become of a submit: ids, warnings and the workers that fit; changes nothing',
    body: 'previewRequest',
    status: 200,
    answer: 'submitPreview',
    errors: ['HQ_E_JOB_NOT_FOUND', 'HQ_E_JOB_NOT_OPEN', ...BAD_TASKS],
  },
  closeJob: {
    method: 'post',
    path: '/v1/jobs/{id}/close',
    summary: 'Close an open job: no more tasks will come',
    params: jobParams,
    status: 204,
    answer: null,
    errors: ['HQ_E_JOB_NOT_FOUND', 'HQ_E_JOB_NOT_OPEN', 'HQ_E_JOURNAL_WRITE'],
  },
  cancel: {
    method: 'post',
    path: '/v1/jobs/{id}/cancel',
    summary: 'Cancel a job or some of its tasks',
    params: jobParams,
    body: 'cancelRequest',
    bodyOptional: true,
    status: 200,
    answer: 'cancelAnswer',
    errors: ['HQ_E_JOB_NOT_FOUND', 'HQ_E_TASK_NOT_FOUND', 'HQ_E_ARRAY', 'HQ_E_JOURNAL_WRITE'],
  },
  modifyJob: {
    method: 'post',
    path: '/v1/jobs/{id}/modify',
    summary: 'Change priority and limits of tasks that have not ended, and how many may fail',
    params: jobParams,
    body: 'modifyRequest',
    status: 200,
    answer: 'modifyAnswer',
    errors: ['HQ_E_JOB_NOT_FOUND', 'HQ_E_JOB_ENDED', 'HQ_E_TASK_NOT_FOUND', 'HQ_E_ARRAY', 'HQ_E_JOURNAL_WRITE'],
  },
  listTasks: {
    method: 'get',
    path: '/v1/jobs/{id}/tasks',
    summary: 'Tasks of a job, sorted by id',
    params: jobParams,
    query: tasksQuery,
    status: 200,
    answer: ['taskInfo'],
    errors: ['HQ_E_JOB_NOT_FOUND'],
  },
  taskDetail: {
    method: 'get',
    path: '/v1/jobs/{id}/tasks/{task}',
    summary: 'One task with its specification',
    params: taskParams,
    status: 200,
    answer: 'taskDetail',
    errors: ['HQ_E_JOB_NOT_FOUND', 'HQ_E_TASK_NOT_FOUND'],
  },
  explainTask: {
    method: 'get',
    path: '/v1/jobs/{id}/tasks/{task}/explain',
    summary: 'Why a task is not running',
    params: taskParams,
    status: 200,
    answer: 'taskExplanation',
    errors: ['HQ_E_JOB_NOT_FOUND', 'HQ_E_TASK_NOT_FOUND'],
  },
  taskOutput: {
    method: 'get',
    path: '/v1/jobs/{id}/tasks/{task}/output/{channel}',
    summary: 'What a task has printed',
    params: outputParams,
    query: outputQuery,
    status: 200,
    answer: null,
    errors: ['HQ_E_JOB_NOT_FOUND', 'HQ_E_TASK_NOT_FOUND', 'HQ_E_LOG', 'HQ_E_FILE'],
  },
  listWorkers: {
    method: 'get',
    path: '/v1/workers',
    summary: 'Workers, sorted by id',
    query: workersQuery,
    status: 200,
    answer: ['workerInfo'],
    errors: [],
  },
  workerInfo: {
    method: 'get',
    path: '/v1/workers/{id}',
    summary: 'One worker',
    params: workerParams,
    status: 200,
    answer: 'workerInfo',
    errors: ['HQ_E_WORKER_NOT_FOUND'],
  },
  stopWorker: {
    method: 'post',
    path: '/v1/workers/{id}/stop',
    summary: 'Stop a worker; its tasks wait for another',
    params: workerParams,
    status: 204,
    answer: null,
    errors: ['HQ_E_WORKER_NOT_FOUND'],
  },
  ...QUEUE_ROUTES,
  events: {
    method: 'get',
    path: '/v1/events',
    summary: 'Events as server-sent events',
    query: eventsQuery,
    status: 200,
    answer: null,
    errors: [],
  },
  endLease: {
    method: 'delete',
    path: '/v1/leases/{lease}',
    summary: 'End the event streams that hold this lease, cleanly',
    params: leaseParams,
    status: 200,
    answer: 'leaseEnded',
    errors: [],
  },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof ROUTES;

type Parsed<R, Key extends string> = R extends Record<Key, infer Schema extends z.ZodType> ? z.output<Schema> : undefined;
type Body<R> = R extends { body: infer Model extends ModelName } ? z.output<(typeof MODELS)[Model]> : undefined;
type Answer<A> = A extends ModelName
  ? z.output<(typeof MODELS)[A]>
  : A extends readonly [infer Item extends ModelName]
    ? z.output<(typeof MODELS)[Item]>[]
    : unknown;

/** What a handler of a route gets after the checks. */
export interface RouteInput<Name extends RouteName> {
  readonly params: Parsed<(typeof ROUTES)[Name], 'params'>;
  readonly query: Parsed<(typeof ROUTES)[Name], 'query'>;
  readonly body: Body<(typeof ROUTES)[Name]>;
}
/** What it returns; without a model nothing of it is sent. */
export type RouteAnswer<Name extends RouteName> = Answer<(typeof ROUTES)[Name]['answer']>;
