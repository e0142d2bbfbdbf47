/**
 * This host as a batch system (`hq alloc add local`): an allocation is a process group under a supervisor of its own, which ends it at its time limit
 * and survives the server. The embedded way to grow and shrink workers on one machine. Used by the allocation service.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, constants, mkdirSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AllocationOutcome, BatchHost, BatchJobStatus, BatchSystem, SubmitRequest } from './batchSystem.ts';
import { explainStatus, vanishedStatus } from './explainStatus.ts';
import { bootId, type EndCause, type LocalRecord, LocalState } from './localState.ts';
import { GRACE_SECONDS, SUPERVISOR } from './localSupervisor.ts';
import { writeJobId, writeScript } from './submission.ts';
import { checkRequest, nodeCommand } from './workerScript.ts';

/** A look costs two small files per allocation. */
const POLL_INTERVAL_MS = 1_000;

/** From the start of the supervisor until it has written its number; later it is taken for one that could not be started. */
const START_MS = 30_000;

/** How long the end of an allocation can be asked for. */
const KEEP_MS = 24 * 3_600_000;

export interface LocalOptions {
  /** From the request to end until SIGKILL, seconds. */
  readonly graceSeconds?: number;
}

export function makeLocal(host: BatchHost, options: LocalOptions = {}): BatchSystem {
  return new Local(host, options);
}

class Local implements BatchSystem {
  readonly name = 'local';
  readonly title = 'this host';
  readonly pollIntervalMs: number = POLL_INTERVAL_MS;
  private readonly host: BatchHost;
  private readonly graceSeconds: number;
  private readonly listeners = new Set<() => void>();

  constructor(host: BatchHost, { graceSeconds = GRACE_SECONDS }: LocalOptions) {
    this.host = host;
    this.graceSeconds = graceSeconds;
  }

  /** Several nodes are several workers on this host. */
  script(request: SubmitRequest): string {
    checkRequest(request, this.host);
    if (request.extraArgs.length > 0)
      throw this.host.error(
        'refused',
        `there is no batch system that could take '${request.extraArgs.join(' ')}'; leave out what follows --`,
      );
    const text = nodeCommand(request.worker, 'detect');
    if (request.nodes === 1) return `#!/bin/bash\n\n${text}`;
    const start = `for ((node = 0; node < ${request.nodes}; node++)); do\n(${text}\n) & workers+=($!)\ndone`;
    return `#!/bin/bash\n\n${start}\nfor worker in "\${workers[@]}"; do wait "$worker" || status=$?; done\nexit "\${status:-0}"`;
  }

  async submit(request: SubmitRequest): Promise<string> {
    this.forgetOld();
    const script = writeScript(request.directory, this.script(request));
    const { comment, held, timeLimitMs: limitMs } = request;
    const state = this.state(randomBytes(4).toString('hex'));
    state.create({ comment, held, limitMs, bootId: bootId(), submittedMs: this.host.nowMs() });
    try {
      if (!held) await this.start(state, request, script);
      writeJobId(request.directory, state.id);
    } catch (error) {
      if (state.supervisor() === undefined) state.remove();
      throw this.host.error('refused', (error as Error).message);
    }
    return state.id;
  }

  async find(comments: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const wanted = new Set(comments);
    const found = new Map<string, string>();
    for (const state of this.states()) {
      const comment = state.record()?.comment;
      if (comment !== undefined && wanted.has(comment) && this.status(state).state !== 'ended') found.set(comment, state.id);
    }
    return found;
  }

  async poll(ids: readonly string[]): Promise<ReadonlyMap<string, BatchJobStatus>> {
    return new Map(ids.map((id) => [id, isId(id) ? this.status(this.state(id)) : vanishedStatus()]));
  }

  async cancel(ids: readonly string[]): Promise<void> {
    for (const state of ids.filter(isId).map((id) => this.state(id))) {
      const made = state.record();
      if (made === undefined || state.end() !== undefined) continue;
      if (made.held) {
        state.writeEnd(0, 'canceled');
        continue;
      }
      state.writeCancel();
      const supervisor = state.supervisor();
      if (supervisor?.isAlive === true) signal(supervisor.pid, 'SIGTERM');
      else if (supervisor !== undefined) for (const pid of state.members()) signal(pid, 'SIGKILL');
    }
  }

  explain(status: BatchJobStatus): string {
    return explainStatus(this.title, status);
  }

  /** Everything starts at once. */
  async estimateStarts(): Promise<ReadonlyMap<string, number>> {
    return new Map();
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private status(state: LocalState): BatchJobStatus {
    const made = state.record();
    if (made === undefined) return vanishedStatus();
    // In this order: one that is not alive has written the end before.
    const supervisor = state.supervisor();
    const end = state.end();
    const common = { comment: made.comment, restarts: 0, reason: null, startMs: supervisor?.startedMs ?? null };
    if (end !== undefined) {
      const { code: exitCode, cause, endMs } = end;
      return { ...common, state: 'ended', rawState: cause, outcome: outcomeOf(cause, exitCode), exitCode, endMs };
    }
    if (supervisor?.isAlive === true)
      return { ...common, state: 'running', rawState: 'running', endMs: supervisor.startedMs + made.limitMs };
    if (made.held) return { ...common, state: 'queued', rawState: 'held', hopeless: false, endMs: null };
    return this.unattended(state, made, { ...common, restarts: 0 });
  }

  /** Its supervisor is gone without a word, or has not said its first. */
  private unattended(
    state: LocalState,
    made: LocalRecord,
    common: Pick<BatchJobStatus, 'comment' | 'restarts' | 'reason' | 'startMs'>,
  ): BatchJobStatus {
    const nowMs = this.host.nowMs();
    const ended = { ...common, state: 'ended', exitCode: null, endMs: nowMs } as const;
    if (made.bootId !== bootId()) return { ...ended, rawState: 'rebooted', outcome: 'node failed' };
    if (common.startMs === null) {
      const isNew = nowMs - made.submittedMs < START_MS;
      return isNew
        ? { ...common, state: 'queued', rawState: 'starting', hopeless: false, endMs: null }
        : { ...ended, rawState: 'not started', outcome: 'launch failed' };
    }
    const endMs = common.startMs + made.limitMs;
    const left = state.members();
    if (left.length === 0) return { ...ended, rawState: 'killed', outcome: nowMs > endMs ? 'timed out' : 'failed' };
    // Nobody else ends it now.
    if (nowMs > endMs) for (const pid of left) signal(pid, 'SIGKILL');
    return { ...common, state: 'running', rawState: 'unattended', endMs };
  }

  /** Waits for the supervisor's process, so that what cannot be started is told. */
  private async start(state: LocalState, { directory, timeLimitMs }: SubmitRequest, script: string): Promise<void> {
    const seconds = Math.ceil(timeLimitMs / 1_000);
    const env = {
      ...process.env,
      HQ_ALLOCATION_MANAGER: this.name,
      HQ_ALLOCATION_END: String(Math.floor(this.host.nowMs() / 1_000) + seconds),
    };
    const output = ['stdout', 'stderr'].map((name) =>
      openSync(join(directory, name), constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, 0o600),
    ) as [number, number];
    const args = ['-p', '-c', SUPERVISOR, 'hq-allocation', state.id, state.directory, script, String(seconds), String(this.graceSeconds)];
    let child: ChildProcess;
    try {
      // A session of its own: neither the server's end nor that of its terminal reaches it.
      child = spawn('/bin/bash', args, { cwd: directory, env, detached: true, stdio: ['ignore', ...output] });
      await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    } finally {
      for (const file of output) closeSync(file);
    }
    child.once('exit', () => {
      for (const listener of this.listeners) listener();
    });
    child.unref();
  }

  private state(id: string): LocalState {
    return new LocalState(this.host.directory, id);
  }

  private states(): LocalState[] {
    mkdirSync(this.host.directory, { recursive: true, mode: 0o700 });
    return readdirSync(this.host.directory)
      .filter(isId)
      .map((id) => this.state(id));
  }

  private forgetOld(): void {
    for (const state of this.states()) {
      const end = state.end();
      if (end !== undefined && this.host.nowMs() - end.endMs > KEEP_MS) state.remove();
    }
  }
}

function isId(id: string): boolean {
  return /^[0-9a-f]{8}$/.test(id);
}

function outcomeOf(cause: EndCause, code: number): AllocationOutcome {
  switch (cause) {
    case 'canceled':
      return 'canceled';
    case 'limit':
      return 'timed out';
    case 'itself':
      return code === 0 ? 'finished' : 'failed';
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
}
