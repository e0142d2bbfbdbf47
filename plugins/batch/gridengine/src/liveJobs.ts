/**
 * Reads what qstat says about jobs that have not ended: the list with their states, and the details. Pure; used by `gridEngine.ts`. Facts: qstat(1) and
 * answers of Grid Engine 8.1.9, in whose XML a number stands wherever a text happens to look like one, so that everything is read as text.
 */
import { XMLParser } from 'fast-xml-parser';
import type { BatchJobStatus } from '../../../../src/server/autoalloc/batchSystem.ts';
import { COMMENT_VARIABLE } from './jobScript.ts';
import { heldReason, messageReason, startError } from './reasons.ts';

/** An element: its text, or its children by name. */
type Xml = string | { readonly [name: string]: readonly Xml[] };

const parser = new XMLParser({ parseTagValue: false, ignoreAttributes: true, isArray: (name) => name !== '?xml' && name !== '#text' });

/** A line of `qstat -xml`. */
export interface ListedJob {
  readonly id: string;
  /** Letters: `qw`, `hqw`, `r`, `dr`, `Eqw`. */
  readonly state: string;
}

/** What `qstat -xml -j` says of a job. */
export interface JobDetails {
  readonly comment: string | null;
  /** Unix milliseconds; null before its start. */
  readonly startMs: number | null;
  /** Milliseconds; null when it has none. */
  readonly timeLimitMs: number | null;
  /** Waits for others that were named when it was submitted. */
  readonly dependent: boolean;
  /** Why it could not be started. */
  readonly startErrors: readonly string[];
  /** What the scheduler says about it, where the site lets it (`schedd_job_info`). */
  readonly messages: readonly string[];
}

/** @returns the jobs; undefined when the text is no answer of qstat */
export function readList(text: string): readonly ListedJob[] | undefined {
  const root = parse(text, 'job_info');
  if (root === undefined) return undefined;
  return all(root, 'queue_info', 'job_list')
    .concat(all(root, 'job_info', 'job_list'))
    .map((job) => ({ id: textOf(job, 'JB_job_number'), state: textOf(job, 'state') }));
}

/** @returns details by id; undefined when the text is no answer of qstat. All jobs may have ended meanwhile: then there are none */
export function readDetails(text: string): ReadonlyMap<string, JobDetails> | undefined {
  const root = parse(text, 'detailed_job_info');
  if (root === undefined) return parse(text, 'unknown_jobs') === undefined ? undefined : new Map();
  const messages = messagesByJob(root);
  const jobs = all(root, 'djob_info', 'element').map((job): [string, JobDetails] => {
    const id = textOf(job, 'JB_job_number');
    const task = all(job, 'JB_ja_tasks', 'element').concat(all(job, 'JB_ja_tasks', 'ulong_sublist'))[0];
    const startS = Number(textOf(task, 'JAT_start_time'));
    const limit = all(job, 'JB_hard_resource_list', 'qstat_l_requests').find((request) => textOf(request, 'CE_name') === 'h_rt');
    const comment = all(job, 'JB_context', 'context_list').find((entry) => textOf(entry, 'VA_variable') === COMMENT_VARIABLE);
    const details = {
      comment: comment === undefined ? '' : textOf(comment, 'VA_value'),
      startMs: startS > 0 ? startS * 1_000 : null,
      timeLimitMs: limit === undefined ? null : Number(textOf(limit, 'CE_doubleval')) * 1_000,
      dependent: all(job, 'JB_jid_predecessor_list').length > 0,
      startErrors: descendants(task, 'QIM_message'),
      messages: [...(messages.get(id) ?? []), ...(messages.get('') ?? [])],
    };
    return [id, details];
  });
  return new Map(jobs);
}

/** @param details null when only the list has the job */
export function liveStatus({ id, state }: ListedJob, details: JobDetails | null): BatchJobStatus {
  const startMs = details?.startMs ?? null;
  // R: started again under the same id; how often is not told.
  const common = { rawState: state, comment: details?.comment ?? null, restarts: state.includes('R') ? 1 : 0, endMs: null };
  const error = state.includes('E');
  if (!error && /[sSTP]/.test(state) && !state.includes('d')) return { ...common, state: 'suspended', startMs, reason: suspension(state) };
  if (!error && /[rts]/i.test(state.replace('R', ''))) {
    const limit = details?.timeLimitMs ?? null;
    return { ...common, state: 'running', startMs, endMs: startMs === null || limit === null ? null : startMs + limit, reason: null };
  }
  const reason = error
    ? startError(id, details?.startErrors ?? [])
    : state.includes('h')
      ? heldReason(id, details?.dependent ?? false)
      : messageReason(details?.messages ?? []);
  return { ...common, state: 'queued', startMs: null, hopeless: error, reason };
}

const SUSPENSIONS: Readonly<Record<string, string>> = {
  s: 'by its user or an administrator',
  S: 'together with its queue',
  T: 'because its host has too much load',
  P: 'in favour of another job',
};

function suspension(state: string): { code: string; text: string } {
  return { code: state, text: SUSPENSIONS[/[sSTP]/.exec(state)?.[0] ?? ''] ?? '' };
}

/** @returns messages by id; those about everybody's jobs, of full queues, under the empty id */
function messagesByJob(root: Xml): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  const add = (id: string, message: string): unknown => found.set(id, [...(found.get(id) ?? []), message]);
  for (const element of all(root, 'messages', 'element')) {
    for (const message of all(element, 'SME_message_list', 'element'))
      for (const id of descendants(all(message, 'MES_job_number_list')[0], 'ULNG_value')) add(id, textOf(message, 'MES_message'));
    for (const message of all(element, 'SME_global_message_list', 'element')) add('', textOf(message, 'MES_message'));
  }
  return found;
}

function parse(text: string, root: string): Xml | undefined {
  try {
    return (parser.parse(text) as { readonly [name: string]: readonly Xml[] })[root]?.[0];
  } catch {
    return undefined;
  }
}

/** All elements at the end of a path. */
function all(xml: Xml | undefined, ...path: readonly string[]): Xml[] {
  let found: Xml[] = xml === undefined ? [] : [xml];
  for (const name of path) found = found.flatMap((element) => (typeof element === 'string' ? [] : (element[name] ?? [])));
  return found;
}

function textOf(xml: Xml | undefined, name: string): string {
  const value = all(xml, name)[0];
  return typeof value === 'string' ? value : '';
}

/** Texts of all elements of that name, however deep. */
function descendants(xml: Xml | undefined, name: string): string[] {
  if (xml === undefined || typeof xml === 'string') return [];
  return Object.entries(xml).flatMap(([key, values]) =>
    values.flatMap((value) => (key === name && typeof value === 'string' ? [value] : descendants(value, name))),
  );
}
