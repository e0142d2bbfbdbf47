/**
 * Events of one turn as one blob: hot kinds (`task-started`, `task-finished`) are positional, everything else is a map. Encoded on the
 * server's thread, stored as it is, decoded where history is asked for.
 *
 * Blob: MessagePack array [FORMAT, base time, item, item, …]; item: code, milliseconds after the base time, fields as listed below.
 * Sequence numbers are gapless, so the first one (a column of its own) gives all. A new field of a positional event needs a new code: a test
 * holds the fields against the schema.
 */
import { type EventBody, eventBody, type HqEvent } from '../../protocol/schema/event.ts';
import { packBytes, unpackBytes } from './pack.ts';

const FORMAT = 1;

/** jobId, taskId, instance, workerId, variant */
const STARTED = 0;
/** jobId, taskId, instance, wallMs, userMs, systemMs, maxRssBytes; no longer written */
const FINISHED = 1;
/** jobId, taskId, instance */
const FINISHED_WITHOUT_USAGE = 2;
/** the event without `seq` and `timeMs` */
const OTHER = 3;
/** as FINISHED, peakMemBytes */
const FINISHED_WITH_PEAK = 4;

/** Every kind as one bit, so that a page without wanted ones is passed over unread. Of this process only: nothing of it is stored. */
const BITS: ReadonlyMap<string, number> = new Map(eventBody.options.map((option, place) => [option.shape.type.value, 1 << place]));
const STARTED_BIT = typeBits(['task-started']);
const FINISHED_BIT = typeBits(['task-finished']);

/** @returns the kinds as a set of bits, to be compared with `EventPage.types`; unknown ones have none */
export function typeBits(types: readonly string[]): number {
  return types.reduce((all, type) => all | (BITS.get(type) ?? 0), 0);
}

/** Consecutive events, encoded: as objects those of a busy second would fill the memory and keep its collector busy. */
export class EventPage {
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Time of the last one, Unix milliseconds. */
  readonly atMs: number;
  /** Kinds that occur; -1 where they are not known. */
  readonly types: number;
  readonly payload: Uint8Array<ArrayBuffer>;

  constructor(o: Pick<EventPage, 'firstSeq' | 'lastSeq' | 'atMs' | 'types' | 'payload'>) {
    this.firstSeq = o.firstSeq;
    this.lastSeq = o.lastSeq;
    this.atMs = o.atMs;
    this.types = o.types;
    this.payload = o.payload;
  }

  get count(): number {
    return this.lastSeq - this.firstSeq + 1;
  }

  /** @returns fresh objects; throws what `decodeEvents` throws */
  decode(): HqEvent[] {
    return decodeEvents(this.payload, this.firstSeq);
  }
}

/** Numbers events and collects them until `take`. Hot kinds have a method of their own, so that no object is made for them. */
export class EventWriter {
  /** Sequence number of the last event given out. */
  lastSeq: number;
  private items: unknown[] = [];
  private count = 0;
  private baseMs = 0;
  private lastMs = 0;
  private types = 0;

  constructor(lastSeq: number) {
    this.lastSeq = lastSeq;
  }

  /** Number of events collected. */
  get size(): number {
    return this.count;
  }

  started(timeMs: number, e: Omit<Extract<EventBody, { type: 'task-started' }>, 'type'>): void {
    this.begin(timeMs, STARTED_BIT);
    this.items.push(STARTED, timeMs - this.baseMs, e.jobId, e.taskId, e.instance, e.workerId, e.variant);
  }

  finished(timeMs: number, e: Omit<Extract<EventBody, { type: 'task-finished' }>, 'type'>): void {
    this.begin(timeMs, FINISHED_BIT);
    const { usage } = e;
    this.items.push(usage === null ? FINISHED_WITHOUT_USAGE : FINISHED_WITH_PEAK, timeMs - this.baseMs, e.jobId, e.taskId, e.instance);
    if (usage !== null) this.items.push(usage.wallMs, usage.userMs, usage.systemMs, usage.maxRssBytes, usage.peakMemBytes);
  }

  /** @param timeMs Unix time, milliseconds */
  add(timeMs: number, body: EventBody): void {
    if (body.type === 'task-started') return this.started(timeMs, body);
    if (body.type === 'task-finished') return this.finished(timeMs, body);
    this.begin(timeMs, BITS.get(body.type) ?? 0);
    this.items.push(OTHER, timeMs - this.baseMs, body);
  }

  /** @returns what was collected, null for nothing; the writer starts anew */
  take(): EventPage | null {
    if (this.count === 0) return null;
    const payload = packBytes(this.items);
    const page = new EventPage({
      firstSeq: this.lastSeq - this.count + 1,
      lastSeq: this.lastSeq,
      atMs: this.lastMs,
      types: this.types,
      payload,
    });
    this.items = [];
    this.count = 0;
    this.types = 0;
    return page;
  }

  private begin(timeMs: number, bit: number): void {
    if (this.count === 0) {
      this.baseMs = timeMs;
      this.items.push(FORMAT, timeMs);
    }
    this.count += 1;
    this.lastSeq += 1;
    this.lastMs = timeMs;
    this.types |= bit;
  }
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
      events.push({ ...time, ...completed(items[at++] as HqEvent) });
      continue;
    }
    const task = { jobId: number(), taskId: number(), instance: number() };
    if (code === STARTED) events.push({ ...time, type: 'task-started', ...task, workerId: number(), variant: number() });
    else if (code === FINISHED_WITHOUT_USAGE) events.push({ ...time, type: 'task-finished', ...task, usage: null });
    else if (code === FINISHED || code === FINISHED_WITH_PEAK) {
      const usage = { wallMs: number(), userMs: nullable(), systemMs: nullable(), maxRssBytes: nullable() };
      const peakMemBytes = code === FINISHED ? null : nullable();
      events.push({ ...time, type: 'task-finished', ...task, usage: { ...usage, peakMemBytes } });
    } else throw new Error(`event ${time.seq} is of the unknown kind ${code}`);
  }
  return events;
}

/** Before schema version 2 nothing was known of the peak of all processes. */
function completed(event: HqEvent): HqEvent {
  if ('usage' in event && event.usage !== null) event.usage.peakMemBytes ??= null;
  return event;
}
