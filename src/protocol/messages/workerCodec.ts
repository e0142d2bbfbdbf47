/**
 * Packs and unpacks the messages of `worker.ts` as msgpack. Both gateways and the spool file use it. Hot kinds (compute, updates) are checked
 * by hand, the hello by zod; whatever does not fit becomes HQ_E_PROTOCOL, never a crash.
 */
import { Packr } from 'msgpackr';
import { HqError } from '../errors.ts';
import { PIN_MODES } from '../resourceTerms.ts';
import { NOTE_MAX_BYTES } from '../schema/note.ts';
import { allocationPolicy } from '../schema/resources.ts';
import { failureKind } from '../schema/task.ts';
import { workerEnd } from '../schema/worker.ts';
import {
  type FromWorker,
  NOTICE_MAX_BYTES,
  type ToWorker,
  UPDATE_CANCELED,
  UPDATE_FAILED,
  UPDATE_FINISHED,
  UPDATE_NOTIFIED,
  UPDATE_RETRACTED,
  UPDATE_STARTED,
  UPDATE_STOPPED,
  type WireBody,
  workerHello,
} from './worker.ts';

// Records would make one message depend on an earlier one; golden frames and spool files must be readable alone.
const packr = new Packr({ useRecords: false, int64AsType: 'number' });

const FAILURE_KINDS: ReadonlySet<unknown> = new Set(failureKind.options);
const POLICIES: ReadonlySet<unknown> = new Set(allocationPolicy.options);
const PINS: ReadonlySet<unknown> = new Set([undefined, ...PIN_MODES]);
const LEAVING: ReadonlySet<unknown> = new Set(workerEnd.options.filter((end) => end !== 'CONNECTION LOST' && end !== 'HEARTBEAT LOST'));
const MAX_U32 = 0xffff_ffff;
/** Last moment that a Date can hold: a later one could be stored but never shown. */
const MAX_TIME_MS = 8.64e15;

/** @returns body of a frame for a worker */
export function encodeToWorker(message: ToWorker): Buffer {
  return packr.pack(message);
}

/** @returns body of a frame for the server */
export function encodeFromWorker(message: FromWorker): Buffer {
  return packr.pack(message);
}

/**
 * @param body body of a frame that a worker received
 * @throws HqError HQ_E_PROTOCOL when it is no valid message, also for a kind that this version does not know
 */
export function decodeToWorker(body: Uint8Array): ToWorker {
  const message = unpack(body);
  switch (message[0]) {
    case 'compute':
      checkCompute(message);
      break;
    case 'cancel':
    case 'retract':
      check(message.length === 2 && isTuples(message[1], 3), `${message[0]}: tasks`);
      break;
    case 'member':
      check(message.length === 2 && typeof message[1] === 'boolean', 'member: layout');
      break;
    case 'ack':
      check(message.length === 2 && isCount(message[1]), 'ack: sequence number');
      break;
    case 'stop':
    case 'heartbeat':
      check(message.length === 1, `${message[0]}: length`);
      break;
    case 'welcome':
      checkWelcome(message);
      break;
    case 'refused':
      check(message.length === 3 && isText(message[1]) && isText(message[2]), 'refused: reason');
      break;
    default:
      throw unknownKind(message[0]);
  }
  return message as unknown as ToWorker;
}

/**
 * @param body body of a frame that the server received
 * @throws HqError HQ_E_PROTOCOL when it is no valid message, also for a kind that this version does not know
 */
export function decodeFromWorker(body: Uint8Array): FromWorker {
  const message = unpack(body);
  switch (message[0]) {
    case 'updates':
      check(message.length <= 4 && isCount(message[1]) && message[1] >= 1 && Array.isArray(message[2]), 'updates: layout');
      check(message.length === 3 || isRoom(message[3]), 'updates: room');
      for (const update of message[2] as unknown[]) check(isUpdate(update), 'updates: an update');
      break;
    case 'heartbeat':
      check(message.length === 1, 'heartbeat: length');
      break;
    case 'notice':
      check(message.length === 2 && isText(message[1]) && Buffer.byteLength(message[1]) <= NOTICE_MAX_BYTES, 'notice: line');
      break;
    case 'leaving':
      check(message.length === 2 && LEAVING.has(message[1]), 'leaving: reason');
      break;
    case 'hello': {
      check(message.length === 2, 'hello: length');
      const hello = workerHello.safeParse(message[1]);
      if (!hello.success) {
        const issue = hello.error.issues[0];
        throw malformed(`hello: ${issue === undefined ? 'layout' : `${issue.path.join('.')}: ${issue.message}`}`);
      }
      return ['hello', hello.data];
    }
    default:
      throw unknownKind(message[0]);
  }
  return message as unknown as FromWorker;
}

function unpack(body: Uint8Array): readonly unknown[] {
  let message: unknown;
  try {
    message = packr.unpack(body);
  } catch (error) {
    throw malformed('it is not valid msgpack', error);
  }
  if (!Array.isArray(message) || message.length === 0) throw malformed('it is not a tuple');
  return message;
}

function checkCompute(message: readonly unknown[]): void {
  const bodies = message[1];
  const tasks = message[2];
  check(message.length === 3 && Array.isArray(bodies) && Array.isArray(tasks), 'compute: layout');
  for (const body of bodies) checkBody(body);
  for (const task of tasks as unknown[]) check(isTask(task, bodies), 'compute: a task');
}

/** @param bodies of the same frame, which are checked already */
function isTask(task: unknown, bodies: readonly unknown[]): boolean {
  if (!Array.isArray(task) || task.length < 6 || task.length > 7) return false;
  if (!isId(task[0]) || !isId(task[1]) || !isId(task[2]) || !isCount(task[3]) || !isCount(task[5])) return false;
  if (task[4] !== null && !isText(task[4])) return false;
  const variant = (bodies[task[3]] as WireBody | undefined)?.request[task[5]];
  if (variant === undefined) return false;
  if (task.length === 6) return variant.nodes === 0;
  return variant.nodes > 0 && Array.isArray(task[6]) && task[6].length === variant.nodes && task[6].every(isHostName);
}

/** One line of a host file. */
function isHostName(value: unknown): boolean {
  return isText(value) && /^\S+$/.test(value);
}

function checkBody(value: unknown): void {
  check(isRecord(value), 'compute: a body');
  const body = value;
  check(Array.isArray(body.command) && body.command.length > 0 && body.command.every(isText), 'compute: command');
  check(isTextRecord(body.env), 'compute: env');
  check(isText(body.cwd) && isText(body.submitDir), 'compute: directories');
  check(isStdio(body.stdout) && isStdio(body.stderr), 'compute: stdout or stderr');
  check(body.stdin === null || body.stdin instanceof Uint8Array, 'compute: stdin');
  check(body.stream === null || isText(body.stream), 'compute: stream');
  check(body.timeLimitMs === null || (isNumber(body.timeLimitMs) && body.timeLimitMs > 0), 'compute: time limit');
  check(isNumber(body.priority), 'compute: priority');
  check(PINS.has(body.pin), 'compute: pin');
  check(body.taskDir === undefined || body.taskDir === true, 'compute: task directory');
  check(body.warm === undefined || isWarm(body.warm), 'compute: warm');
  check(body.wrapper === undefined || isText(body.wrapper), 'compute: wrapper');
  check(Array.isArray(body.request) && body.request.length > 0 && body.request.every(isVariant), 'compute: request');
}

/** What a later version knows beside this is ignored: such a task is started by its command. */
function isWarm(value: unknown): boolean {
  return (
    isRecord(value) &&
    isText(value.kind) &&
    isText(value.python) &&
    isText(value.run) &&
    isText(value.level) &&
    (value.prologue === undefined || isText(value.prologue)) &&
    (value.shell === undefined || isText(value.shell)) &&
    (value.imports === undefined || (Array.isArray(value.imports) && value.imports.every(isText)))
  );
}

function checkWelcome(message: readonly unknown[]): void {
  const welcome = message[1];
  check(message.length === 2 && isRecord(welcome), 'welcome: layout');
  check(isId(welcome.workerId) && isText(welcome.serverUid) && isText(welcome.serverVersion), 'welcome: identity');
  check(isCount(welcome.ackedSeq), 'welcome: sequence number');
  check(welcome.idleTimeoutMs === null || (isNumber(welcome.idleTimeoutMs) && welcome.idleTimeoutMs > 0), 'welcome: idle timeout');
  check(isTuples(welcome.wanted, 3), 'welcome: tasks');
  check(welcome.wantsRoom === undefined || typeof welcome.wantsRoom === 'boolean', 'welcome: room');
  check(welcome.wantsNotices === undefined || typeof welcome.wantsNotices === 'boolean', 'welcome: notices');
}

function isRoom(value: unknown): boolean {
  const isGroup = (group: unknown): boolean => Array.isArray(group) && group.every(isCount);
  return Array.isArray(value) && value.every((one) => isCount(one) || (Array.isArray(one) && one.every(isGroup)));
}

function isUpdate(update: unknown): boolean {
  if (!Array.isArray(update) || !isId(update[1]) || !isId(update[2]) || !isId(update[3]) || !isTime(update[4])) return false;
  switch (update[0]) {
    case UPDATE_STARTED:
      return update.length === 6 && isCount(update[5]);
    case UPDATE_FINISHED:
      return update.length === 6 && isUsage(update[5]);
    case UPDATE_FAILED:
      return update.length === 7 && isUsage(update[5]) && isFailure(update[6]);
    case UPDATE_CANCELED:
    case UPDATE_RETRACTED:
    case UPDATE_STOPPED:
      return update.length === 5;
    case UPDATE_NOTIFIED:
      return update.length === 6 && isText(update[5]) && Buffer.byteLength(update[5]) <= NOTE_MAX_BYTES;
    default:
      return false;
  }
}

/** Also completes it: workers of earlier versions do not tell the peak of all processes. */
function isUsage(value: unknown): boolean {
  if (value === null) return true;
  if (!isRecord(value)) return false;
  value.peakMemBytes ??= null;
  return (
    isNumber(value.wallMs) &&
    isNumberOrNull(value.userMs) &&
    isNumberOrNull(value.systemMs) &&
    isNumberOrNull(value.maxRssBytes) &&
    isNumberOrNull(value.peakMemBytes)
  );
}

function isFailure(value: unknown): boolean {
  if (!isRecord(value) || !FAILURE_KINDS.has(value.kind) || !isText(value.error)) return false;
  return (value.exitCode === null || Number.isInteger(value.exitCode)) && (value.signal === null || isText(value.signal));
}

function isVariant(value: unknown): boolean {
  if (!isRecord(value) || !isCount(value.nodes) || !isNumber(value.minTimeMs) || !isNumber(value.weight)) return false;
  return Array.isArray(value.entries) && value.entries.every(isEntry);
}

function isEntry(value: unknown): boolean {
  if (!isRecord(value) || !isText(value.name) || !POLICIES.has(value.policy) || !isCount(value.units)) return false;
  return value.maxUnits === undefined || isCount(value.maxUnits);
}

function isStdio(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  return isRecord(value) && isText(value.path) && (value.onClose === 'keep' || value.onClose === 'rm-if-finished');
}

function isTuples(value: unknown, length: number): boolean {
  return Array.isArray(value) && value.every((tuple) => Array.isArray(tuple) && tuple.length === length && tuple.every(isId));
}

function isTextRecord(value: unknown): boolean {
  if (!isRecord(value)) return false;
  for (const key in value) if (!isText(value[key])) return false;
  return true;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isTime(value: unknown): value is number {
  return isNumber(value) && value >= 0 && value <= MAX_TIME_MS;
}

function isNumberOrNull(value: unknown): boolean {
  return value === null || isNumber(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_U32;
}

function check(good: boolean, what: string): asserts good {
  if (!good) throw malformed(what);
}

function malformed(detail: string, cause?: unknown): HqError {
  return new HqError('HQ_E_PROTOCOL', { detail: `malformed message: ${detail}` }, { cause });
}

function unknownKind(kind: unknown): HqError {
  return new HqError('HQ_E_PROTOCOL', { detail: `unknown message kind ${JSON.stringify(String(kind).slice(0, 40))}` });
}
