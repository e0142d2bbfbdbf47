/**
 * Events as `hq journal export|replay|stream` print them, one JSON object per line: HyperQueue's wrapper, kinds and keys, and what only ours have
 * beside them (`seq`, and kinds that HyperQueue does not know). Pure.
 */
import { IntArray } from '../../common/intArray.ts';
import type { EventBody, HqEvent } from '../../protocol/schema/event.ts';

/** HyperQueue's names of ends of workers. */
const LOST_REASONS: Readonly<Record<string, string>> = {
  STOPPED: 'Stopped',
  'CONNECTION LOST': 'ConnectionLost',
  'HEARTBEAT LOST': 'HeartbeatLost',
  'IDLE TIMEOUT': 'IdleTimeout',
  'TIME LIMIT REACHED': 'TimeLimitReached',
};

/** @returns one line without its end */
export function eventLine({ seq, timeMs, ...event }: HqEvent): string {
  return JSON.stringify({ time: new Date(timeMs).toISOString(), seq, event: bodyJson(event as EventBody) });
}

function bodyJson(event: EventBody): Record<string, unknown> {
  const type = event.type;
  switch (event.type) {
    case 'server-start':
      return { type, server_uid: event.serverUid, version: event.version, pid: event.pid };
    case 'server-stop':
      return { type };
    case 'worker-connected':
      return { type, id: event.workerId, configuration: event.configuration };
    case 'worker-disconnected':
    case 'worker-reconnected':
      return { type, id: event.workerId };
    case 'worker-notice':
      return { type, id: event.workerId, message: event.message };
    case 'worker-lost':
      return { type, id: event.workerId, reason: LOST_REASONS[event.reason] ?? event.reason };
    case 'job-created':
      return event.open
        ? { type: 'job-open', job_id: event.jobId, job: event.jobId, name: event.name }
        : { type, job: event.jobId, closed_job: true, job_desc: { name: event.name } };
    case 'tasks-submitted':
      return { type, job: event.jobId, ids: event.ids };
    case 'job-closed':
      return { type: 'job-close', job_id: event.jobId };
    case 'job-canceled':
      return { type: 'job-cancel', job_id: event.jobId, reason: event.reason };
    case 'job-idle':
    case 'job-completed':
    case 'job-forgotten':
      return { type, job: event.jobId };
    case 'tasks-canceled':
      return { type: 'task-canceled', tasks: taskIds(event.jobId, event.ids) };
    case 'tasks-aborted':
      return { type: 'task-aborted', tasks: taskIds(event.jobId, event.ids), reason: event.reason };
    case 'queue-created':
    case 'queue-removed':
    case 'queue-paused':
    case 'queue-resumed': {
      const { queueId, type: _type, ...rest } = event;
      return { type: `autoalloc-${type}`, 'queue-id': queueId, ...rest };
    }
    case 'allocation-queued':
    case 'allocation-started':
    case 'allocation-ended': {
      const { queueId, id, type: _type, ...rest } = event;
      const name = event.type === 'allocation-ended' ? 'allocation-finished' : event.type;
      return { type: `autoalloc-${name}`, 'queue-id': queueId, 'allocation-id': id, ...rest };
    }
    default:
      return taskJson(event);
  }
}

type TaskEvent = Extract<EventBody, { taskId: number }>;

function taskJson({ jobId, taskId, instance, ...event }: TaskEvent): Record<string, unknown> {
  const task = { type: event.type, job: jobId, task: taskId, instance };
  switch (event.type) {
    case 'task-started':
      return { ...task, worker: event.workerId, variant: event.variant };
    case 'task-finished':
      return { ...task, usage: event.usage };
    case 'task-failed':
      return {
        ...task,
        ...{ error: event.error, failure: event.failure, exit_code: event.exitCode, signal: event.signal, usage: event.usage },
      };
    case 'task-restarted':
      return { ...task, cause: event.cause, error: event.error };
    case 'task-notify':
      return { ...task, worker: event.workerId, message: event.message };
  }
}

function taskIds(jobId: number, text: string): { job_id: number; job_task_id: number }[] {
  const ids = IntArray.parse(text);
  return typeof ids === 'string' ? [] : [...ids].map((id) => ({ job_id: jobId, job_task_id: id }));
}
