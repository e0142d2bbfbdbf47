/** A job file as the API's request. Pure; called by `hq job submit-file` and `hq job validate`. */
import { basename, extname } from 'node:path';
import { parseDuration } from '../../common/duration.ts';
import { IntArray } from '../../common/intArray.ts';
import { PLACEHOLDERS, STREAM_PLACEHOLDERS, unknownPlaceholders } from '../../common/placeholders.ts';
import { QUEUE_RESOURCE } from '../../protocol/resourceTerms.ts';
import {
  type JobFile,
  type JobFileArray,
  type JobFileBody,
  type JobFileStdio,
  type JobFileTask,
  requestSpecs,
} from '../../protocol/schema/jobFile.ts';
import type { GraphTask, StdioSpec, SubmitInput, TaskPatch } from '../../protocol/schema/task.ts';
import { arrayWarnings, placeholderWarning } from '../submit/warnings.ts';

/**
 * @param o.submitDir absolute directory where the file is submitted; the file may lie elsewhere
 * @param o.isNewJob false: the tasks go into an open job, whose server knows the next free id
 */
export function submitOf(file: JobFile, o: { submitDir: string; isNewJob: boolean; strict: boolean }): SubmitInput {
  return {
    submitDir: o.submitDir,
    strict: o.strict,
    ...(file.stream === undefined ? {} : { stream: file.stream }),
    tasks: file.array === undefined ? graphOf(file.task ?? [], o.isNewJob) : arrayOf(file.array),
  };
}

/** @returns the name in the file, else that of the file without its ending */
export function jobNameOf(file: JobFile, path: string): string {
  return file.name || basename(path, extname(path)).replace(/[\n\t]/g, ' ') || 'job';
}

/** What is legal but probably not meant. @returns sentences */
export function jobFileWarnings(file: JobFile): string[] {
  const bodies: readonly JobFileBody[] = file.array === undefined ? (file.task ?? []) : [file.array];
  const inPaths = (['cwd', 'stdout', 'stderr'] as const).flatMap((field) => {
    const names = new Set(bodies.flatMap((body) => unknownPlaceholders(pathOf(body[field]))));
    return [...names].map((name) => placeholderWarning(name, field, PLACEHOLDERS));
  });
  const inStream = unknownPlaceholders(file.stream ?? '', STREAM_PLACEHOLDERS);
  return [
    ...warningsOfArray(file),
    ...(file.data_layer === true ? ["'data_layer' has no effect: there is no data layer"] : []),
    ...inPaths,
    ...[...new Set(inStream)].map((name) => placeholderWarning(name, 'stream', STREAM_PLACEHOLDERS)),
  ];
}

function warningsOfArray({ array, stream }: JobFile): string[] {
  if (array === undefined) return [];
  const ids = array.ids === undefined ? undefined : IntArray.parse(array.ids);
  const taskCount = array.entries?.length ?? (typeof ids === 'object' ? ids.length : 1);
  const path = (stdio: JobFileStdio | undefined): string | null | undefined =>
    stdio === 'none' ? null : typeof stdio === 'object' ? stdio.path : stdio;
  const paths = { stdout: path(array.stdout), stderr: path(array.stderr) };
  return arrayWarnings({ taskCount, isStreamed: stream !== undefined, streamName: '`stream` key', paths });
}

function pathOf(stdio: JobFileStdio | undefined): string {
  return typeof stdio === 'object' ? stdio.path : (stdio ?? '');
}

/** Ids of a new job that are not given follow the highest one that is; as in the original the first is 1, not 0. */
function graphOf(tasks: readonly JobFileTask[], isNewJob: boolean): SubmitInput['tasks'] {
  let highest = 0;
  for (const { id } of tasks) highest = Math.max(highest, id ?? 0);
  const graph = tasks.map(({ id, deps, ...body }): GraphTask => {
    if (id === undefined && isNewJob) highest += 1;
    const given = id ?? (isNewJob ? highest : undefined);
    return { ...(given === undefined ? {} : { id: given }), ...(deps === undefined ? {} : { deps }), ...patchOf(body) };
  });
  return { kind: 'graph', tasks: graph };
}

function arrayOf({ ids, entries, ...body }: JobFileArray): SubmitInput['tasks'] {
  return {
    kind: 'array',
    ...(ids === undefined ? {} : { ids }),
    ...(entries === undefined ? {} : { entries }),
    spec: { ...patchOf(body), command: body.command },
  };
}

function patchOf(body: JobFileBody): TaskPatch {
  const { command, env, cwd, label, priority } = body;
  const patch: TaskPatch = {
    command,
    env,
    cwd,
    label,
    priority,
    stdout: stdioOf(body.stdout),
    stderr: stdioOf(body.stderr),
    stdin: body.stdin === undefined ? undefined : Buffer.from(body.stdin).toString('base64'),
    request: requestOf(body),
    pin: body.pin === 'none' ? undefined : body.pin,
    taskDir: body.task_dir,
    timeLimitMs: milliseconds(body.time_limit),
    crashLimit: body.crash_limit,
    maxRetries: body.max_retries,
    retryDelayMs: milliseconds(body.retry_delay),
    retryOn: body.retry_on,
    retryMemFactor: body.retry_mem_factor,
  };
  // A field that is there without a value would hide the default.
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined)) as TaskPatch;
}

/** @returns undefined for the default, a CPU on any worker */
function requestOf({ request, queue }: JobFileBody): TaskPatch['request'] {
  const specs = request === undefined ? undefined : requestSpecs(request);
  if (queue === undefined) return specs;
  const ofQueue = { [`${QUEUE_RESOURCE}${queue}`]: 1 };
  const given = specs ?? [{ resources: { cpus: 1 }, nodes: 0, timeRequestMs: 0, weight: 1 }];
  return given.map((spec) => ({ ...spec, resources: { ...spec.resources, ...ofQueue } }));
}

function stdioOf(stdio: JobFileStdio | undefined): StdioSpec | undefined {
  if (stdio === undefined) return undefined;
  if (stdio === 'none') return null;
  if (typeof stdio === 'string') return { path: stdio, onClose: 'keep' };
  return { path: stdio.path, onClose: stdio.on_close === 'none' ? 'keep' : stdio.on_close };
}

function milliseconds(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(text);
}
