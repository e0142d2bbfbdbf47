/**
 * The published interface to batch systems: what autoallocation asks of Slurm, PBS, local processes and plugins. Implemented beside this file and in
 * `plugins/batch`; called by the allocation service. Types only, so that a plugin needs nothing of the server. All times are Unix milliseconds.
 *
 * What a worker sees: inside an allocation it finds its job by the variables of Slurm or PBS, or by `HQ_ALLOCATION_MANAGER` (the name of the
 * batch system), `HQ_ALLOCATION_ID`, `HQ_ALLOCATION_END` (Unix seconds) and, where the node is shared, `HQ_ALLOCATION_CPUS` (how many of its CPUs
 * belong to the allocation), which the script of any other system has to export. It reports manager and id to the server and ends with its allocation.
 */

/** How an allocation ended. `preempted`, `node failed` and `boot failed` are the site's doing and say nothing against the queue. */
export type AllocationOutcome =
  | 'finished'
  | 'failed'
  | 'timed out'
  | 'canceled'
  | 'preempted'
  | 'node failed'
  | 'out of memory'
  | 'boot failed'
  | 'launch failed';

/** Why a job is in its state, as the batch system says it. */
export interface BatchReason {
  /** Its own word: `Resources`, `QOSMaxCpuPerUserLimit`, `Exit_status 271`. */
  readonly code: string;
  /** The same as a sentence without a full stop: `all suitable nodes are in use`. */
  readonly text: string;
}

interface StatusCommon {
  readonly reason: BatchReason | null;
  /**
   * `queued`: the estimate of the batch system where its status has one. `running` and later: when it started, or started again. `ended`: null when
   * it never ran.
   */
  readonly startMs: number | null;
  /** `running`: when its time limit ends. `ended`: when it ended. */
  readonly endMs: number | null;
  /** How often the batch system has started it again under the same id. More than before: workers of the earlier start are gone. */
  readonly restarts: number;
  /** The comment it was submitted with; null when the batch system does not tell. An id whose comment is another belongs to somebody else. */
  readonly comment: string | null;
  /** Its own word for the state: `PENDING`, `NODE_FAIL`, `H`. */
  readonly rawState: string;
}

export interface QueuedStatus extends StatusCommon {
  readonly state: 'queued';
  /** It will never start as things are, for instance because it asks for more nodes than there are. */
  readonly hopeless: boolean;
}

/** Nodes are being prepared, or its processes run, or they are being ended. */
export interface RunningStatus extends StatusCommon {
  readonly state: 'running';
}

/** Its processes are stopped and may go on later; its workers do not answer meanwhile. */
export interface SuspendedStatus extends StatusCommon {
  readonly state: 'suspended';
}

/** All its processes are gone. */
export interface EndedStatus extends StatusCommon {
  readonly state: 'ended';
  readonly outcome: AllocationOutcome;
  /** Exit code of its script; null when it has none. */
  readonly exitCode: number | null;
}

/** The batch system knows no such id (any more): it ended long ago, or the controller has lost it. */
export interface VanishedStatus extends StatusCommon {
  readonly state: 'vanished';
}

export type BatchJobStatus = QueuedStatus | RunningStatus | SuspendedStatus | EndedStatus | VanishedStatus;

/** One word pair of the worker's command line: `['--cpus', '4x2']`, `['--no-hyper-threading']`. The value is data, never shell. */
export type WorkerOption = readonly [flag: string, value?: string];

/** What runs on each node. */
export interface WorkerCommand {
  /** Absolute path of the `hq` executable. */
  readonly hqPath: string;
  /** Directory of the server's identity; the script carries this path, never a token. */
  readonly serverDir: string;
  readonly idleTimeoutMs: number;
  /** Options between `--server-dir` and `--on-server-lost`, in this order. `--manager` is added by the batch system. */
  readonly options: readonly WorkerOption[];
  readonly onServerLost: string;
  readonly timeLimitMs: number;
  /** Shell text, run on each node before the worker; the worker starts only when it succeeds. */
  readonly startCommand?: string;
  /** Shell text, run on each node after the worker, whatever became of it. */
  readonly stopCommand?: string;
  /** Shell text in front of the worker: `podman run image`. */
  readonly wrapCommand?: string;
}

/** One allocation to be submitted. */
export interface SubmitRequest {
  readonly queueId: number;
  /** Counts the allocations of the queue from 1. */
  readonly number: number;
  /** Name of the job: `hq-1-1`, `NAME-1`. */
  readonly name: string;
  /** Absolute; exists, 0700. Gets `hq-submit.sh`, `jobid`, `stdout` and `stderr`, and is the job's working directory. */
  readonly directory: string;
  readonly nodes: number;
  readonly timeLimitMs: number;
  /** Typed after `--`: handed to the batch system word for word. */
  readonly extraArgs: readonly string[];
  readonly worker: WorkerCommand;
  /** Unique (see `allocationComment`); by it the job is found again when its submission timed out. */
  readonly comment: string;
  /** A trial: submitted so that it never starts. The caller cancels it at once. */
  readonly held: boolean;
}

export interface BatchSystem {
  /** As typed after `hq alloc add`, and reported by its workers as their manager (not case-sensitive): `slurm`, `pbs`, `local`, `gridengine`. */
  readonly name: string;
  /** For messages: `Slurm`, `PBS`. */
  readonly title: string;
  /** How often `poll` is worth its cost, milliseconds. */
  readonly pollIntervalMs: number;

  /**
   * Pure: the text of the job script.
   * @throws the host's `refused` error when something in the request cannot be expressed, for instance a line break in an argument
   */
  script(request: SubmitRequest): string;

  /**
   * Writes the script into the directory (0600), submits it and writes the file `jobid`.
   * @returns id of the job
   * @throws refused, unreachable (certainly not submitted), timedOut (may be submitted: ask `find` before submitting again), notInstalled
   */
  submit(request: SubmitRequest): Promise<string>;

  /**
   * Looks for jobs that have not ended by the comments they were submitted with; one call for all. A job that has ended since may be missing.
   * @returns comment -> id of those that were found
   * @throws unreachable, timedOut, notInstalled: nothing is known then
   */
  find(comments: readonly string[]): Promise<ReadonlyMap<string, string>>;

  /**
   * Status of many jobs; one call for all, finished ones included as long as the batch system remembers them.
   * @returns an entry for every id asked for
   * @throws unreachable, timedOut, notInstalled: nothing is known then, and nothing has failed
   */
  poll(ids: readonly string[]): Promise<ReadonlyMap<string, BatchJobStatus>>;

  /**
   * Asks for the end of many jobs, queued or running; ids that are unknown or have ended are fine. Whether they are gone is told by `poll`.
   * @throws refused, unreachable, timedOut, notInstalled
   */
  cancel(ids: readonly string[]): Promise<void>;

  /** Pure: what a user wants to know of a status, one sentence without a full stop: `Slurm keeps it waiting: all suitable nodes are in use (Resources)`. */
  explain(status: BatchJobStatus): string;

  /**
   * When queued jobs are expected to start. Costs a call; for `explain`, not for every poll.
   * @returns only ids for which the batch system has an estimate
   * @throws unreachable, timedOut, notInstalled
   */
  estimateStarts(ids: readonly string[]): Promise<ReadonlyMap<string, number>>;

  /**
   * Whether the batch system expects ever to start such a job, beyond what `submit` refuses. For the trial of a new queue, costs a call.
   * @returns one line per doubt, in the words of the batch system; empty: none
   * @throws unreachable, timedOut, notInstalled
   */
  doubts?(request: SubmitRequest): Promise<readonly string[]>;

  /**
   * For systems that notice the end of a job by themselves: `listener` is called when a poll would tell something new.
   * @returns ends the subscription
   */
  onChange?(listener: () => void): () => void;
}

/** What a program said that ran to its end, whatever its exit code. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Working directory; default: that of the server. */
  readonly cwd?: string;
  /** Added to the server's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Kinds of failures that the allocation service tells apart; each is one error of the table (`HQ_E_BATCH_…`). */
export type BatchErrorKind = 'refused' | 'unreachable' | 'timedOut' | 'notInstalled';

/** What a batch system may use of the server. */
export interface BatchHost {
  /**
   * Runs a command of the batch system without a shell; it is ended, with all that it has started, when it takes too long.
   * @throws `timedOut`, also when a signal has ended the command, and `notInstalled`
   */
  run(program: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** @param detail one line; @returns what the methods above throw */
  error(kind: BatchErrorKind, detail: string): Error;
  /** Unix milliseconds. */
  nowMs(): number;
  /** Absolute path of a directory for this batch system alone, in the directory of the server's identity; it need not exist. */
  readonly directory: string;

  /** @throws `refused` for a request that no script can express: a line break in a name or path, no node, no time */
  checkRequest(request: SubmitRequest): void;
  /**
   * One word of a line of the script that the batch system reads.
   * @param quoted how a word with blanks, quotes, `#` or a backslash is written there
   * @throws `refused` for a line break, which would begin another line
   */
  directiveWord(text: string, quoted: (text: string) => string): string;
  /** @returns shell text, one line: what runs on each node, which is start command, worker and stop command */
  workerCommand(worker: WorkerCommand): string;
  /** Writes the script into the directory of an allocation, for its user alone. @returns its absolute path. @throws errors of the file system */
  writeScript(directory: string, text: string): string;
  /** Writes the file `jobid` there. @throws errors of the file system */
  writeJobId(directory: string, id: string): void;
  /** What the built-in batch systems answer to `explain`. */
  explain(title: string, status: BatchJobStatus): string;
}

/** The default export of a plugin, which is an ES module without top-level await, is one of these. */
export type BatchSystemFactory = (host: BatchHost) => BatchSystem;

/**
 * @param serverUid of the server's identity
 * @returns text of letters, digits, `-` and `:` that no other submission has
 */
export function allocationComment(serverUid: string, queueId: number, number: number): string {
  return `hq:${serverUid}:${queueId}:${number}`;
}
