/**
 * Events of one batch as one blob: hot kinds (`task-started`, `task-finished`) are positional, everything else is a map. Encoded on the
 * server's thread, stored as it is, decoded where history is asked for.
 *
 * Blob: MessagePack array [FORMAT, base time, item, item, …]; item: code, milliseconds after the base time, fields as listed below.
 * Sequence numbers are gapless, so the first one (a column of its own) gives all. A new field of a positional event needs a new code: a test
 * holds the fields against the schema.
 */
import type { HqEvent } from '../../protocol/schema/event.ts';
import { packBytes, unpackBytes } from './pack.ts';

const FORMAT = 1;

/** jobId, taskId, instance, workerId, variant */
const STARTED = 0;
/** jobId, taskId, instance, wallMs, userMs, systemMs, maxRssBytes */
const FINISHED = 1;
/** jobId, taskId, instance */
const FINISHED_WITHOUT_USAGE = 2;
/** the event without `seq` and `timeMs` */
const OTHER = 3;

/** @param events not empty, sequence numbers without gaps */
export function encodeEvents(events: readonly HqEvent[]): Uint8Array<ArrayBuffer> {
  const baseMs = events[0]?.timeMs ?? 0;
  const items: unknown[] = [FORMAT, baseMs];
  for (const event of events) {
    const afterMs = event.timeMs - baseMs;
    if (event.type === 'task-started') {
      items.push(STARTED, afterMs, event.jobId, event.taskId, event.instance, event.workerId, event.variant);
    } else if (event.type === 'task-finished') {
      const { usage } = event;
      items.push(usage === null ? FINISHED_WITHOUT_USAGE : FINISHED, afterMs, event.jobId, event.taskId, event.instance);
      if (usage !== null) items.push(usage.wallMs, usage.userMs, usage.systemMs, usage.maxRssBytes);
    } else {
      const { seq: _seq, timeMs: _timeMs, ...body } = event;
      items.push(OTHER, afterMs, body);
    }
  }
  return packBytes(items);
}

/**
 * @param firstSeq sequence number of the first event in the blob
 * @throws Error when the blob was written in a newer format or is damaged
 */
export function decodeEvents(blob: Uint8Array, firstSeq: number): HqEvent[] {
  const items = unpackBytes(blob) as unknown[];
  if (!Array.isArray(items) || items[0] !== FORMAT) throw new Error(`events after number ${firstSeq - 1} cannot be read`);
  const events: HqEvent[] = [];
  const baseMs = items[1] as number;
  let at = 2;
  const number = (): number => items[at++] as number;
  const nullable = (): number | null => items[at++] as number | null;
  while (at < items.length) {
    const code = number();
    const time = { seq: firstSeq + events.length, timeMs: baseMs + number() };
    if (code === OTHER) {
      events.push({ ...time, ...(items[at++] as HqEvent) });
      continue;
    }
    const task = { jobId: number(), taskId: number(), instance: number() };
    if (code === STARTED) events.push({ ...time, type: 'task-started', ...task, workerId: number(), variant: number() });
    else if (code === FINISHED_WITHOUT_USAGE) events.push({ ...time, type: 'task-finished', ...task, usage: null });
    else if (code === FINISHED) {
      const usage = { wallMs: number(), userMs: nullable(), systemMs: nullable(), maxRssBytes: nullable() };
      events.push({ ...time, type: 'task-finished', ...task, usage });
    } else throw new Error(`event ${time.seq} is of the unknown kind ${code}`);
  }
  return events;
}
