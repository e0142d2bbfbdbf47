/**
 * One worker at work: carries events between the session, the state machine and the executor, and ends in order. Made by `runWorker`.
 *
 * Ending: no task starts any more and running ones are stopped (or, with `finish-running`, waited for); when the last one has ended the server
 * is told and has confirmed every result, or the results go to the spool file; then logs are closed and `done` is called.
 */
import { HqError } from '../protocol/errors.ts';
import { type TaskKey, type TaskUpdate, UPDATE_NOTIFIED, type Welcome } from '../protocol/messages/worker.ts';
import type { Note } from '../protocol/schema/note.ts';
import type { WorkerConfiguration, WorkerInfo } from '../protocol/schema/worker.ts';
import type { TaskGroups } from './cgroup/taskGroups.ts';
import { Deadlines } from './deadlines.ts';
import { EnvironmentMaker } from './executor/environment.ts';
import { Executor } from './executor/executor.ts';
import type { Launcher } from './executor/launcher.ts';
import { Streams } from './executor/streams.ts';
import { excessText } from './failureText.ts';
import type { HeldTask, MemoryExcess } from './heldTask.ts';
import { Lifetime } from './lifetime.ts';
import { MemoryGuard } from './monitor/memoryGuard.ts';
import type { MemEnforce } from './monitor/memoryMonitor.ts';
import { News } from './news.ts';
import type { NoteSocket } from './noteSocket.ts';
import type { Notices } from './notices.ts';
import type { SignalBeforeEnd } from './options.ts';
import { Session, type TaskMessage } from './session.ts';
import { WorkerState } from './state.ts';
import type { Instructions } from './stateEvents.ts';

/** Output of running streamed tasks is copied this often, milliseconds. */
const SWEEP_MS = 1_000;

/** An ending worker waits this long for the server's confirmation before it writes the spool file, milliseconds. */
const CONFIRM_TIMEOUT_MS = 5_000;

type LeaveReason = 'STOPPED' | 'IDLE TIMEOUT' | 'TIME LIMIT REACHED';

interface Ending {
  readonly reason: LeaveReason;
  /** Set when the server is lost or has refused the worker: there is nobody to say goodbye to. */
  readonly error: HqError | null;
  stopRunning: boolean;
  /** The last task has ended. */
  settled: boolean;
}

export interface WorkerParts {
  readonly configuration: WorkerConfiguration;
  readonly accessPath: string;
  /** 128 random bits, hex. */
  readonly session: string;
  readonly launcher: Launcher;
  readonly memEnforce: MemEnforce;
  /** Control groups of tasks; null where their memory is sampled. */
  readonly groups: TaskGroups | null;
  /** How often the memory of tasks without a request is measured, milliseconds; 0: never. */
  readonly overviewIntervalMs: number;
  /** How often tasks that have become too late for this worker are given back, milliseconds; what a timer takes. */
  readonly retractCheckMs: number;
  readonly signalBeforeEnd: SignalBeforeEnd | null;
  /** Lines for the server's event log. */
  readonly notices: Notices;
  /** For messages of tasks; null where it could not be opened. */
  readonly notes: NoteSocket | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly hqPath: string;
  readonly connectTimeoutMs: number;
  log(level: 'INFO' | 'WARN' | 'ERROR', line: string): void;
  onRegistered(worker: WorkerInfo): void;
  /** Called once at the end: null after an orderly end. */
  done(error: HqError | null): void;
}

export class Worker {
  private readonly parts: WorkerParts;
  private readonly deadlines = new Deadlines();
  private readonly state: WorkerState;
  private readonly session: Session;
  private readonly lifetime: Lifetime;
  private readonly startedMs = performance.now();
  private readonly sweepTimer: NodeJS.Timeout;
  private readonly retractTimer: NodeJS.Timeout;
  private readonly memory: MemoryGuard;
  /** Made at the first welcome, when the names of logs are known. */
  private executor: Executor | undefined;
  private streams: Streams | undefined;
  private ending: Ending | undefined;
  /** The server reads what is free here. */
  private wantsRoom = false;
  /** It belongs to a multi-node task that another worker runs. */
  private isMember = false;
  /** Without a line nothing is held back: what is neither held nor repeated after a reconnect would be a task that never came. */
  private online = false;
  /** News that the session has not been given yet. */
  private readonly news = new News(() => this.sendNews());
  /** What was last said about the lost server: attempts every two seconds must not fill the log. */
  private lossTold = '';

  constructor(parts: WorkerParts) {
    const { configuration } = parts;
    this.parts = parts;
    const endsAtMs = configuration.timeLimitMs === null ? null : configuration.startedAtMs + configuration.timeLimitMs;
    this.state = new WorkerState({ resources: configuration.resources, endsAtMs, canStage: parts.launcher.queue !== null });
    this.lifetime = new Lifetime({
      deadlines: this.deadlines,
      timeLimitMs: endsAtMs === null ? null : endsAtMs - Date.now(),
      warnBeforeMs: parts.signalBeforeEnd?.beforeMs ?? null,
      onTimeLimitNear: () => this.signalTasks(),
      onTimeLimit: () => this.end('TIME LIMIT REACHED'),
      onIdleTimeout: () => this.end('IDLE TIMEOUT'),
      onServerLostTimeout: () => this.endLost('it has not come back in time', true),
    });
    this.session = new Session({
      accessPath: parts.accessPath,
      configuration,
      session: parts.session,
      handlers: {
        held: (limit) => this.state.heldForHello(limit),
        onWelcome: (welcome, repeated) => this.onWelcome(welcome, repeated),
        onRepeatedConfirmed: () => this.apply(this.state.handle({ kind: 'settled' })),
        onMessage: (message) => this.onMessage(message),
        onLost: (error, wasRegistered) => this.onLost(error, wasRegistered),
        onRefused: (error) => this.beginEnd({ reason: 'STOPPED', error, stopRunning: true }),
      },
    });
    this.memory = new MemoryGuard({
      enforce: parts.memEnforce,
      intervalMs: parts.overviewIntervalMs,
      groups: parts.groups,
      running: () => this.state.runningTasks,
      pidOf: (task) => this.executor?.pidOf(task) ?? 0,
      onExceeded: (task, excess, strays) => this.onMemoryExceeded(task, excess, strays),
    });
    this.sweepTimer = setInterval(() => this.executor?.sweep(Date.now()), SWEEP_MS);
    this.retractTimer = setInterval(() => this.retractLate(), parts.retractCheckMs);
  }

  start(): void {
    this.session.start();
  }

  /** Stops the tasks and leaves. */
  stop(): void {
    this.end('STOPPED');
  }

  /** Kills the tasks without grace; only of use while the worker stops. */
  killAll(): void {
    this.executor?.killAll();
  }

  private onWelcome(welcome: Welcome, repeated: readonly TaskKey[]): void {
    const { configuration } = this.parts;
    this.lifetime.setServerLost(false);
    this.lifetime.setIdleTimeout(configuration.idleTimeoutMs ?? welcome.idleTimeoutMs);
    if (this.executor === undefined) {
      this.executor = this.makeExecutor(welcome);
      this.parts.onRegistered(workerInfo(welcome.workerId, configuration));
    } else {
      this.parts.log('INFO', `reconnected to the server as worker ${welcome.workerId}`);
    }
    this.lossTold = '';
    this.online = true;
    this.isMember = false;
    this.wantsRoom = welcome.wantsRoom === true;
    this.parts.notices.attach(welcome.wantsNotices === true ? (line) => this.session.notice(line) : null);
    this.apply(this.state.handle({ kind: 'reconnected', wanted: welcome.wanted, settled: repeated, nowMs: Date.now() }));
  }

  private makeExecutor(welcome: Welcome): Executor {
    const { env, hqPath, launcher, notes, session } = this.parts;
    if (notes !== null) notes.onNote = (note) => this.onNote(note);
    this.streams = new Streams({
      makeCapture: () => launcher.capture(),
      serverUid: welcome.serverUid,
      workerId: welcome.workerId,
      session,
    });
    return new Executor({
      launcher,
      environment: new EnvironmentMaker({ env, hqPath, accessKey: notes?.accessKey ?? null, pool: this.state.pool }),
      streams: this.streams,
      deadlines: this.deadlines,
      workDir: this.parts.configuration.workDir,
      memory: this.memory,
      onEnded: (ends) => this.apply(this.state.handle({ kind: 'ended', ends, nowMs: Date.now() })),
      onReturned: (returned) => this.apply(this.state.handle({ kind: 'returned', returned, nowMs: Date.now() })),
      onTimeLimit: (task) => this.apply(this.state.handle({ kind: 'time-limit', task })),
    });
  }

  /** A message is news like any other: kept until the server has it, and told before the end of its task. */
  private onNote({ jobId, taskId, instance, message }: Note): string | null {
    if (!this.state.holds([jobId, taskId, instance])) return `task ${taskId} of job ${jobId} does not run on this worker`;
    this.report([[UPDATE_NOTIFIED, jobId, taskId, instance, Date.now(), message]]);
    return null;
  }

  private onMemoryExceeded(task: HeldTask, excess: MemoryExcess, strays: readonly number[]): void {
    if (this.parts.memEnforce === 'warn') this.parts.log('WARN', `task ${task.job}@${task.task}: ${excessText(excess)}`);
    else {
      this.apply(this.state.handle({ kind: 'memory-limit', task, excess }));
      for (const pid of strays) sendSignal(pid, 'SIGKILL');
    }
  }

  /** Only the main process of each task: what it has started may know nothing of the signal, and would die of it. */
  private signalTasks(): void {
    const signal = this.parts.signalBeforeEnd?.signal;
    if (signal === undefined) return;
    this.parts.log('INFO', `the time limit is near: running tasks get ${signal}`);
    for (const task of this.state.runningTasks) {
      const pid = this.executor?.pidOf(task) ?? 0;
      if (pid > 0) sendSignal(pid, signal as NodeJS.Signals);
    }
  }

  private onMessage(message: TaskMessage): void {
    const nowMs = Date.now();
    switch (message[0]) {
      case 'compute':
        this.apply(this.state.handle({ kind: 'compute', bodies: message[1], tasks: message[2], nowMs }));
        break;
      case 'cancel':
      case 'retract':
        this.apply(this.state.handle({ kind: message[0], tasks: message[1], nowMs }));
        break;
      case 'member':
        this.isMember = message[1];
        this.noteIdle();
        break;
      case 'stop':
        this.parts.log('INFO', 'the server stops this worker');
        this.end('STOPPED');
        break;
    }
  }

  /** Reports first, because starting processes takes long compared with it. */
  private apply({ updates, stop, unstage, start, stage }: Instructions): void {
    if (updates.length > 0) this.report(updates);
    if (this.mustTellRoom && this.online) this.sendNews();
    for (const task of stop) this.executor?.stop(task);
    for (const task of unstage) this.executor?.unstage(task);
    for (const task of start) this.executor?.start(task);
    for (const task of stage) this.executor?.stage(task);
    this.noteIdle();
    this.settle();
  }

  private noteIdle(): void {
    this.lifetime.setIdle(this.state.isIdle && !this.isMember && this.ending === undefined);
  }

  private report(updates: readonly TaskUpdate[]): void {
    this.news.add(updates, this.online && this.ending === undefined && this.state.hasWaiting);
  }

  private sendNews(): void {
    if (this.news.size === 0 && !this.mustTellRoom) return;
    // The room is that of this moment, and so are the news: all that there are.
    this.session.report(this.news.take(), this.wantsRoom ? this.state.room.take() : undefined);
  }

  private get mustTellRoom(): boolean {
    return this.wantsRoom && this.state.room.isDue;
  }

  private retractLate(): void {
    if (this.state.queue.size > 0) this.apply(this.state.handle({ kind: 'sweep', nowMs: Date.now() }));
  }

  private onLost(error: HqError, wasRegistered: boolean): void {
    this.online = false;
    this.sendNews();
    if (this.ending !== undefined) return;
    if (this.executor === undefined) {
      this.onNotReached(error);
      return;
    }
    if (this.lossTold !== error.message) this.parts.log('WARN', error.message);
    this.lossTold = error.message;
    this.lifetime.setServerLost(true);
    if (!wasRegistered) return;
    const { onServerLost } = this.parts.configuration;
    if (onServerLost !== 'reconnect') this.endLost(String(error.data.detail ?? error.message), onServerLost === 'stop');
  }

  /** The first connection: a server that is just being restarted gets some time. */
  private onNotReached(error: HqError): void {
    const waitedMs = performance.now() - this.startedMs;
    if (waitedMs >= this.parts.connectTimeoutMs) {
      this.beginEnd({ reason: 'STOPPED', error, stopRunning: true });
      return;
    }
    if (this.lossTold === '') this.parts.log('WARN', `${error.message}; trying for ${Math.ceil(this.parts.connectTimeoutMs / 1000)} s`);
    this.lossTold = error.message;
  }

  private end(reason: LeaveReason): void {
    this.beginEnd({ reason, error: null, stopRunning: true });
  }

  private endLost(detail: string, stopRunning: boolean): void {
    this.beginEnd({ reason: 'STOPPED', error: new HqError('HQ_E_SERVER_LOST', { detail }), stopRunning });
  }

  private beginEnd(o: { reason: LeaveReason; error: HqError | null; stopRunning: boolean }): void {
    if (this.ending !== undefined && (this.ending.stopRunning || !o.stopRunning)) return;
    if (this.ending === undefined) {
      this.ending = { ...o, settled: false };
      this.lifetime.cancel();
      if (o.error !== null) this.session.close();
    }
    this.ending.stopRunning = o.stopRunning;
    this.apply(this.state.handle({ kind: 'close', running: o.stopRunning, nowMs: Date.now() }));
  }

  private settle(): void {
    const { ending } = this;
    if (ending === undefined || ending.settled || !this.state.isIdle) return;
    ending.settled = true;
    this.sendNews();
    if (ending.error !== null) this.complete(ending);
    else this.session.leave(ending.reason, { timeoutMs: CONFIRM_TIMEOUT_MS, done: () => this.complete(ending) });
  }

  private complete({ error }: Ending): void {
    clearInterval(this.sweepTimer);
    clearInterval(this.retractTimer);
    this.memory.close();
    this.deadlines.clear();
    this.streams?.closeAll();
    try {
      const path = this.session.spool();
      if (path !== undefined) this.parts.log('WARN', `results that the server has not confirmed are kept in ${path}`);
    } catch (thrown) {
      this.parts.log('ERROR', `results that the server has not confirmed are lost: ${(thrown as Error).message}`);
    }
    this.parts.done(error);
  }
}

function workerInfo(id: number, configuration: WorkerConfiguration): WorkerInfo {
  return {
    id,
    configuration,
    state: 'running',
    connectedAtMs: Date.now(),
    endedAtMs: null,
    endReason: null,
    runningTasks: 0,
    assignedTasks: 0,
    lastTaskStarted: null,
  };
}

/** To one process: what has left the process group of its task is not reached by a signal to the group. */
function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}
