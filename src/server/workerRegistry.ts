/**
 * The workers this server knows: configuration, session and connection state of each, beside what the scheduler keeps in the core.
 * Written by the worker gateway and by the restore, read by the API.
 */

import type { CoreWorker, WorkerSpec } from '../core/workerTable.ts';
import type { Connection } from '../net/connection.ts';
import type { WorkerConfiguration, WorkerEnd, WorkerInfo } from '../protocol/schema/worker.ts';
import type { WorkerRow } from './journal/types.ts';

export interface WorkerEntry {
  readonly id: number;
  readonly session: string;
  readonly configuration: WorkerConfiguration;
  readonly connectedAtMs: number;
  /** Null while it is away. */
  connection: Connection | null;
  /** The connection that has carried its welcome: nothing else may go before that. */
  welcomed: Connection | null;
  /** Minor version of the protocol that it speaks; 0, the least, until it has said hello to this server. */
  protocolMinor: number;
  /** Highest update sequence number applied. */
  lastSeq: number;
  /** Highest one whose frame is on disk: what the worker may forget. */
  durableSeq: number;
  /** Declares it lost when it does not return in time. */
  lossTimer: NodeJS.Timeout | null;
  /** It is told to stop as soon as it can be reached. */
  stopRequested: boolean;
  lastTaskStarted: { jobId: number; taskId: number; atMs: number } | null;
  /** Why it is gone, where somebody else has confirmed that; null: nothing is known. */
  endReason: WorkerEnd | null;
}

export class WorkerRegistry {
  private readonly byId = new Map<number, WorkerEntry>();
  private readonly bySession = new Map<string, WorkerEntry>();
  private lastId: number;

  /** @param lastId highest worker id ever given out */
  constructor(lastId: number) {
    this.lastId = lastId;
  }

  nextId(): number {
    this.lastId += 1;
    return this.lastId;
  }

  add(entry: WorkerEntry): void {
    this.byId.set(entry.id, entry);
    this.bySession.set(entry.session, entry);
  }

  remove(entry: WorkerEntry): void {
    this.byId.delete(entry.id);
    this.bySession.delete(entry.session);
    if (entry.lossTimer !== null) clearTimeout(entry.lossTimer);
  }

  get(id: number): WorkerEntry | undefined {
    return this.byId.get(id);
  }

  /** Host name of a worker. @throws Error when it is not known (a defect) */
  hostOf(id: number): string {
    const entry = this.byId.get(id);
    if (entry === undefined) throw new Error(`worker ${id} is not known`);
    return entry.configuration.hostname;
  }

  ofSession(session: string): WorkerEntry | undefined {
    return this.bySession.get(session);
  }

  all(): WorkerEntry[] {
    return [...this.byId.values()];
  }

  /** Names of everything that a known worker provides, sorted. */
  resourceNames(): string[] {
    const names = new Set(this.all().flatMap((entry) => entry.configuration.resources.resources.map((resource) => resource.name)));
    return [...names].sort();
  }
}

/** What the core must know of a worker. */
export function workerSpec(id: number, configuration: WorkerConfiguration): WorkerSpec {
  return {
    id,
    resources: configuration.resources,
    group: configuration.group,
    endsAtMs: configuration.timeLimitMs === null ? Number.POSITIVE_INFINITY : configuration.startedAtMs + configuration.timeLimitMs,
    minUtilization: configuration.minUtilization,
  };
}

/** A known worker as the API shows it. `stopping`: tasks that have ended for the server and not yet on the worker. */
export function liveWorkerInfo(
  entry: WorkerEntry,
  core: CoreWorker | undefined,
  { running, stopping }: { running: number; stopping: number },
): WorkerInfo {
  return {
    id: entry.id,
    configuration: entry.configuration,
    state: entry.connection === null ? 'reconnecting' : 'running',
    connectedAtMs: entry.connectedAtMs,
    endedAtMs: null,
    endReason: null,
    runningTasks: running,
    assignedTasks: core?.rows.size ?? 0,
    stoppingTasks: stopping,
    lastTaskStarted: entry.lastTaskStarted,
  };
}

/** A worker that is gone, out of the journal. */
export function goneWorkerInfo(row: WorkerRow): WorkerInfo {
  const endReason: WorkerEnd = row.endReason ?? 'CONNECTION LOST';
  return {
    id: row.workerId,
    configuration: row.configuration,
    state: 'offline',
    connectedAtMs: row.connectedAtMs,
    endedAtMs: row.endedAtMs,
    endReason,
    runningTasks: 0,
    assignedTasks: 0,
    lastTaskStarted: null,
  };
}
