/**
 * The one table of errors: what a user can be told, the exit code of the command line, the HTTP status of the API and what to do next.
 * Every layer throws `HqError`; `docs/errors.md` is checked against this table both ways.
 */

/** One row. `message` and `hint` are templates: `{name}` is replaced by `data.name`. */
export interface ErrorEntry {
  /** Exit code of the command line: 2 for a wrongly typed command, else 1. */
  readonly exit: 1 | 2;
  /** HTTP status when the API answers with this error. */
  readonly http: number;
  /** One line that names the input. */
  readonly message: string;
  /** What to do next; empty when the message already says it. */
  readonly hint: string;
}

const usage = (message: string, hint = ''): ErrorEntry => ({ exit: 2, http: 400, message, hint });
const failure = (http: number, message: string, hint = ''): ErrorEntry => ({ exit: 1, http, message, hint });

/** Codes are never reused; a retired one stays listed. */
export const ERRORS = {
  // What the user typed
  HQ_E_USAGE: usage('{detail}'),
  HQ_E_ARRAY: usage("invalid array '{input}': {detail}", 'Write it like --array 1-10,20,30-50:5'),
  HQ_E_DURATION: usage("invalid duration '{input}'", "Write it like 90, 10min, '1h 30m' or 01:30:00"),
  HQ_E_SIZE: usage("invalid size '{input}'", 'Write it like 512, 512MiB or 4GiB'),
  HQ_E_RESOURCE_REQUEST: usage(
    "invalid resource request '{input}': {detail}",
    "Write it like --cpus 4, --resource gpus=0.5 or --resource 'mem=4GiB'",
  ),
  HQ_E_RESOURCE_DESCRIPTOR: usage(
    "invalid resource descriptor '{input}': {detail}",
    'Write it like --cpus 4, --resource licenses=4, --resource "gpus=[0,1]" or --resource "ids=range(1-10)"',
  ),
  HQ_E_JOB_FILE: failure(400, 'invalid job file {where}: {detail}', 'The fields are explained in docs/job-files.md'),
  HQ_E_CONFIG: failure(
    400,
    'invalid configuration {where}: {detail}',
    'All of it is checked by: hq config check; HQ_CONFIG=off does without',
  ),
  HQ_E_DIRECTIVE: failure(
    400,
    'You have used invalid parameter(s) after a #HQ directive. {where}: {detail}',
    'Possible are the options of `hq submit` that describe tasks; --directives=off ignores such lines',
  ),
  HQ_E_HOST_FILE: failure(400, 'invalid host file {where}: {detail}', 'Write one host per line, as HOST or HOST:PORT'),
  HQ_E_ENTRIES: failure(
    400,
    "cannot make tasks of '{path}': {detail}",
    'One task is a line (--each-line), or an element of a JSON array (--from-json)',
  ),
  HQ_E_FILE: failure(404, "cannot read '{path}': {detail}"),
  HQ_E_FILE_WRITE: failure(500, "cannot write '{path}': {detail}", 'Choose another place, or see what is in the way there'),
  HQ_E_REQUEST: failure(400, 'invalid request: {detail}'),
  HQ_E_ROUTE: failure(404, 'the server has no {path}', 'The routes are in docs/http-api.md and at /v1/openapi.json'),
  HQ_E_METHOD: failure(405, '{method} is not possible on {path}', 'Possible is: {allowed}'),
  HQ_E_REQUEST_TOO_LARGE: failure(413, 'the request is larger than {limitBytes} bytes', 'Submit the tasks in several requests'),

  // Finding and reaching a server
  HQ_E_SERVER_DIR: failure(
    500,
    'the server directory {path} cannot be used: {detail}',
    'Set --server-dir or HQ_SERVER_DIR to a directory of your own',
  ),
  HQ_E_NO_SERVER: failure(503, 'no running server was found at {path}', 'Start one with: hq server start'),
  HQ_E_RUN_SERVER: failure(
    503,
    'no server runs at {path}: one that a workflow has started ends with it',
    'Started again it knows all its runs; type first: hq server start --exit-when-idle 10min &',
  ),
  HQ_E_SERVER_UNREACHABLE: failure(
    503,
    'the server of {path} does not answer at {address}: {detail}',
    'Check it with: hq server info; restart it with: hq server start',
  ),
  HQ_E_NEXTFLOW_LATER: failure(
    503,
    'Socket timed out: {detail}',
    'Nextflow tries again; if that is not enough, start a server with: hq server start',
  ),
  HQ_E_SERVER_GONE: failure(
    503,
    'the server went away in mid-command: {detail}',
    'Its jobs are kept; start it again with: hq server start',
  ),
  HQ_E_SERVER_RUNNING: failure(409, 'a server already runs on {path} (host {host}, pid {pid})', 'Stop it with: hq server stop'),
  HQ_E_SERVER_TIMEOUT: failure(
    504,
    'timeout after {seconds} s: could not connect to a server at {path}',
    'Start one with: hq server start',
  ),
  HQ_E_AUTH: failure(401, 'the server refused the token of {path}', 'The access file is stale or belongs to another server; copy it again'),
  HQ_E_FORBIDDEN: failure(403, 'this token may not do that: {detail}'),
  HQ_E_VERSION: failure(426, 'protocol version {theirs} does not fit {ours}', 'Use the same hq-bridge version on both sides'),
  HQ_E_PROTOCOL: failure(400, 'protocol error: {detail}'),
  HQ_E_ACCESS_FILE: failure(500, 'the access file {path} cannot be used: {detail}'),
  HQ_E_JOURNAL: failure(
    500,
    'the journal {path} cannot be used: {detail}',
    'Choose a file on a local disk with: hq server start --journal PATH',
  ),
  HQ_E_JOURNAL_WRITE: failure(
    507,
    'the journal could not be written: {detail}',
    'Free disk space in the server directory; nothing of this request was kept',
  ),
  HQ_E_BACKUP: failure(409, "the journal cannot be copied to '{path}': {detail}"),
  HQ_E_PORT: failure(500, 'cannot listen on port {port} of {host}: {detail}', 'Choose another with --client-port or --worker-port'),

  // Things that do not exist or cannot be done now
  HQ_E_JOB_NOT_FOUND: failure(404, 'job {job} not found', 'List the jobs with: hq job list --all'),
  HQ_E_TASK_NOT_FOUND: failure(404, 'task {task} of job {job} not found', 'List the tasks with: hq task list {job}'),
  HQ_E_WORKER_NOT_FOUND: failure(404, 'worker {worker} not found', 'List the workers with: hq worker list --all'),
  HQ_E_JOB_NOT_OPEN: failure(409, 'job {job} is not open', 'Only a job made with `hq job open` takes more tasks'),
  HQ_E_JOB_RUNNING: failure(409, 'job {job} is not finished', 'Wait for it or cancel it first'),
  HQ_E_JOB_ENDED: failure(409, 'job {job} has ended', 'Only tasks that have not ended can be changed'),
  HQ_E_TASK_EXISTS: failure(409, 'task {task} already exists in job {job}'),
  HQ_E_DEPENDENCY: failure(400, 'task {task}: {detail}'),
  HQ_E_AFTER_OK: failure(
    409,
    "cannot wait for '{input}': {detail}",
    'Name tasks that exist, as JOB or JOB.TASKS; list them with: hq task list JOB',
  ),
  HQ_E_EMPTY_SUBMIT: failure(400, 'there is no task to submit'),
  HQ_E_UNMET_REQUEST: failure(409, '{detail}', 'Start a worker that provides it, or submit without --strict'),
  HQ_E_EVENTS_GONE: failure(410, 'events before {first} are no longer kept', 'Read the state again and resume from {first}'),
  HQ_E_NOTHING_SELECTED: failure(404, 'no {what} exists yet'),

  // Batch systems
  HQ_E_BATCH_REFUSED: failure(409, '{system} refused: {detail}'),
  HQ_E_BATCH_UNREACHABLE: failure(
    503,
    '{system} cannot be reached: {detail}',
    'Nothing was lost; it is asked again later. Look at this host with: hq doctor',
  ),
  HQ_E_BATCH_TIMEOUT: failure(
    504,
    '{system} gave no answer: {detail}',
    'What was asked may have been done; it is looked up before it is asked again',
  ),
  HQ_E_BATCH_NOT_INSTALLED: failure(
    409,
    'the commands of {system} cannot be run here: {detail}',
    'Start the server on a host that can submit jobs, with the commands on its PATH; check with: hq doctor',
  ),
  HQ_E_BATCH_SYSTEM: failure(
    400,
    "the batch system '{name}' cannot be used: {detail}",
    'Known are slurm, pbs, local, gridengine, and modules: plugin:/absolute/path.mjs',
  ),

  // Allocation queues
  HQ_E_QUEUE_NOT_FOUND: failure(404, 'allocation queue {queue} not found', 'List the queues with: hq alloc list'),
  HQ_E_ALLOCATION_NOT_FOUND: failure(404, 'Allocation {allocation} not found', 'List the allocations of a queue with: hq alloc info QUEUE'),
  HQ_E_QUEUE_RUNNING: failure(
    409,
    'allocation queue {queue} has running allocations: {allocations}',
    'Wait for them, or cancel them with: hq alloc remove {queue} --force',
  ),
  HQ_E_QUEUE_REMOVED: failure(409, 'allocation queue {queue} is removed; its last allocations are running to their end'),
  HQ_E_QUEUE_PARAMS: failure(400, 'this allocation queue is not possible: {detail}'),
  HQ_E_ALLOC_TRIAL: failure(
    409,
    'Dry-run (test allocation submission) has failed: {detail}; the script is kept in {directory}',
    'Correct the arguments behind --, or skip the trial with --no-dry-run',
  ),

  // Comparisons
  HQ_E_COMPARE: failure(409, 'nothing can be compared: {detail}. {fix}'),

  // Worker
  HQ_E_WORKER_REFUSED: failure(403, 'the server refused this worker: {detail}'),
  HQ_E_NOT_IN_TASK: failure(400, 'this is not a task: HQ_ACCESS_KEY is not set', '`hq task notify` works in the command of a task only'),
  HQ_E_NOTIFY: failure(503, 'the worker did not take the message: {detail}'),
  HQ_E_SERVER_LOST: failure(503, 'the connection to the server was lost: {detail}'),

  // Logs
  HQ_E_LOG: failure(404, '{detail}'),
  HQ_E_LOG_WRITE: failure(507, 'cannot write the log {path}: {detail}'),

  HQ_E_INTERNAL: failure(500, 'internal error: {detail}', 'Please report this with the lines above it'),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** Values put into the templates of an entry. */
export type ErrorData = Readonly<Record<string, string | number>>;

/** The only error class that crosses a layer. `message` is one line without the hint. */
export class HqError extends Error {
  readonly code: ErrorCode;
  readonly data: ErrorData;

  constructor(code: ErrorCode, data: ErrorData = {}, options: { cause?: unknown } = {}) {
    super(fill(ERRORS[code].message, data), options);
    this.name = 'HqError';
    this.code = code;
    this.data = data;
  }

  /** What to do next; empty when there is nothing to add. */
  get hint(): string {
    return fill(ERRORS[this.code].hint, this.data);
  }

  get exitCode(): 1 | 2 {
    return ERRORS[this.code].exit;
  }

  get httpStatus(): number {
    return ERRORS[this.code].http;
  }
}

/** Normalises anything thrown; a foreign error becomes HQ_E_INTERNAL with it as the cause. */
export function toHqError(thrown: unknown): HqError {
  if (thrown instanceof HqError) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new HqError('HQ_E_INTERNAL', { detail }, { cause: thrown });
}

function fill(template: string, data: ErrorData): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => (name in data ? String(data[name]) : whole));
}
