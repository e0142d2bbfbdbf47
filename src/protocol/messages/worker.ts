/**
 * Messages between a worker and the server, as msgpack tuples whose first element is the kind. Hot frames (compute, updates) are
 * decoded by hand in `workerCodec.ts`; the layout stands here once and the tests check both against the golden frames.
 * Prefer a new kind over a changed one.
 */
import * as z from 'zod';
import type { PinMode } from '../resourceTerms.ts';
import type { RequestVariant, Room } from '../schema/resources.ts';
import type { FailureKind, StdioSpec, TaskUsage, TaskWrapper, WarmSpec } from '../schema/task.ts';
import { workerConfiguration } from '../schema/worker.ts';

/** State of a held task in a hello: queued on the worker, or started. Ended ones are not named: their last update is repeated. */
export const HELD_QUEUED = 0;
export const HELD_RUNNING = 1;

/** First frame of a worker on every connection. */
export const workerHello = z.object({
  protocol: z.tuple([z.int(), z.int()]),
  role: z.literal('worker'),
  token: z.string(),
  serverUid: z.string(),
  /** Null on the first connection of this worker process. */
  workerId: z.int().min(1).nullable(),
  /** 128 random bits of this worker process, hex. */
  session: z.string().regex(/^[0-9a-f]{32}$/),
  configuration: workerConfiguration,
  /** [job, task, instance, HELD_*] of every task that this worker still holds. */
  held: z.array(z.tuple([z.int(), z.int(), z.int(), z.int()])),
});
export type WorkerHello = z.infer<typeof workerHello>;

/** Answer to an accepted hello. */
export interface Welcome {
  readonly workerId: number;
  readonly serverUid: string;
  readonly serverVersion: string;
  /** Highest update sequence number of this session that is on disk; everything after it is to be sent again. */
  readonly ackedSeq: number;
  /** Default idle timeout for a worker that set none. */
  readonly idleTimeoutMs: number | null;
  /** Tasks out of `held` that the server still wants; the worker kills the others and reports nothing of them. */
  readonly wanted: readonly TaskKey[];
  /** The server reads `room` in updates; left out by servers before 1.1. */
  readonly wantsRoom?: boolean;
  /** The server reads `notice`; left out by servers that do not. */
  readonly wantsNotices?: boolean;
}

/** One attempt: [job id, task id, instance id]. */
export type TaskKey = readonly [job: number, task: number, instance: number];

/** The part of a task that many tasks of one frame share. Placeholders JOB_ID, SUBMIT_DIR and SERVER_UID are already resolved. */
export interface WireBody {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Absolute, TASK_ID and INSTANCE_ID placeholders left. */
  readonly cwd: string;
  /** undefined = the channel goes to the stream. */
  readonly stdout: StdioSpec | undefined;
  readonly stderr: StdioSpec | undefined;
  readonly stdin: Uint8Array | null;
  readonly submitDir: string;
  /** Absolute directory of the consolidated log. */
  readonly stream: string | null;
  readonly timeLimitMs: number | null;
  readonly priority: number;
  readonly request: readonly RequestVariant[];
  /** Left out by servers of earlier versions, and for tasks that are not bound to their CPUs. */
  readonly pin?: PinMode;
  /** Left out by servers of earlier versions, and for tasks without a directory of their own. */
  readonly taskDir?: true;
  /** Left out by servers of earlier versions, and for tasks that are started by their command; workers of earlier versions ignore it. */
  readonly warm?: WarmSpec;
  /** Left out by servers of earlier versions, and for tasks without; workers of earlier versions leave such tasks to themselves. */
  readonly wrapper?: TaskWrapper;
}

/**
 * [job, task, instance, index into the frame's bodies, entry or null, variant chosen by the server, host names of its nodes]. The last one
 * exactly where the variant asks for nodes; the worker that gets the task is the first of them.
 */
export type WireTask = readonly [
  job: number,
  task: number,
  instance: number,
  body: number,
  entry: string | null,
  variant: number,
  nodes?: readonly string[],
];

export type ToWorker =
  | readonly ['welcome', Welcome]
  | readonly ['refused', code: string, detail: string]
  | readonly ['compute', bodies: readonly WireBody[], tasks: readonly WireTask[]]
  /** Kill or drop; answered by a CANCELED update for each task that was still held. */
  | readonly ['cancel', tasks: readonly TaskKey[]]
  /** Give back what has not started; answered by RETRACTED, or by nothing when the task has started (STARTED tells). */
  | readonly ['retract', tasks: readonly TaskKey[]]
  /**
   * Another worker runs a multi-node task to which this one belongs, or no longer: it is busy, though it holds nothing. False after every welcome.
   * Not for workers before MEMBER_SINCE_MINOR.
   */
  | readonly ['member', isMember: boolean]
  /** Every update up to this sequence number is on disk. */
  | readonly ['ack', seq: number]
  /** Answer to a heartbeat; a worker that has had one takes longer silence for a dead line. */
  | readonly ['heartbeat']
  /** Stop tasks, report them as STOPPED, flush, leave. */
  | readonly ['stop'];

export type FromWorker =
  | readonly ['hello', WorkerHello]
  /**
   * Sequence numbers start at 1 and grow by one per frame of a session. `room`: what is free after these updates; only to servers that want it, where
   * sums of amounts do not tell what fits: while the worker has such a task, or when what it has comes in several groups.
   */
  | readonly ['updates', seq: number, updates: readonly TaskUpdate[], room?: Room]
  | readonly ['heartbeat']
  /** A line for the event log. Only to servers that want it; not repeated, as nothing depends on it. */
  | readonly ['notice', line: string]
  /** Last frame of a worker that ends by itself; all its updates were sent before. */
  | readonly ['leaving', reason: 'STOPPED' | 'IDLE TIMEOUT' | 'TIME LIMIT REACHED'];

export const UPDATE_STARTED = 0;
export const UPDATE_FINISHED = 1;
export const UPDATE_FAILED = 2;
export const UPDATE_CANCELED = 3;
export const UPDATE_RETRACTED = 4;
/** Ended because the worker stops; it is to run again elsewhere as the next instance. */
export const UPDATE_STOPPED = 5;
/** The task has sent a message; it goes on. */
export const UPDATE_NOTIFIED = 6;

/** What a failed attempt leaves behind. `error` is the text shown to the user. */
export interface AttemptFailure {
  readonly kind: FailureKind;
  readonly error: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** Times are Unix milliseconds on the worker's clock. */
export type TaskUpdate =
  | readonly [kind: typeof UPDATE_NOTIFIED, job: number, task: number, instance: number, atMs: number, message: string]
  | readonly [kind: typeof UPDATE_STARTED, job: number, task: number, instance: number, atMs: number, variant: number]
  | readonly [kind: typeof UPDATE_FINISHED, job: number, task: number, instance: number, atMs: number, usage: TaskUsage | null]
  | readonly [
      kind: typeof UPDATE_FAILED,
      job: number,
      task: number,
      instance: number,
      atMs: number,
      usage: TaskUsage | null,
      failure: AttemptFailure,
    ]
  | readonly [
      kind: typeof UPDATE_CANCELED | typeof UPDATE_RETRACTED | typeof UPDATE_STOPPED,
      job: number,
      task: number,
      instance: number,
      atMs: number,
    ];

/** Longest line of a notice, bytes. */
export const NOTICE_MAX_BYTES = 1_024;

/** Largest frame before the hello is accepted, and after, bytes. */
export const HELLO_FRAME_LIMIT_BYTES: number = 64 * 1024;
export const FRAME_LIMIT_BYTES: number = 32 * 1024 * 1024;
