/**
 * Grid Engine (Son of Grid Engine, Open Grid Scheduler, Altair's) as a batch system: qsub, qstat, qacct and qdel. Made by `index.ts`. Facts: man pages
 * of these commands and the behaviour of Son of Grid Engine 8.1.9.
 */
import { userInfo } from 'node:os';
import type {
  BatchErrorKind,
  BatchHost,
  BatchJobStatus,
  BatchSystem,
  CommandOptions,
  CommandResult,
  SubmitRequest,
} from '../../../../src/server/autoalloc/batchSystem.ts';
import { type EndRecord, readAccounting } from './accounting.ts';
import { JobMemory } from './jobMemory.ts';
import { jobScript, NAME, submitOptions } from './jobScript.ts';
import { type JobDetails, liveStatus, readDetails, readList } from './liveJobs.ts';

/** As for other batch systems: sites ask users not to do it much more often. */
const POLL_INTERVAL_MS = 15_000;

/** How far back the accounting is searched for jobs of an earlier server. It is one file, read as a whole for each call. */
const SEARCH_MS = 31 * 86_400_000;
const HOUR_MS = 3_600_000;

/** Where the commands say that it is not the request that is wrong. */
const MEANINGS: readonly (readonly [RegExp, BatchErrorKind])[] = [
  [/SGE_ROOT|cell directory|can't (?:find|open) .*bootstrap/i, 'notInstalled'],
  [/timeout|failed receiving gdi request|got read error|can't (?:get|receive) .*(?:answer|response)/i, 'timedOut'],
  [
    /connection refused|unable to (?:send message to|contact) qmaster|got send error|select error|can't resolve|no route to host|critical error/i,
    'unreachable',
  ],
];

/** Of qdel, about one job each: all that may be said when nothing went wrong. */
const DELETION = /has (deleted|registered the) job (\d+)|job "?\d+"? (?:does not exist|is already in deletion)/;

/** Output in English, whatever the server's language. */
const ENGLISH = { LC_ALL: 'C' };

export class GridEngine implements BatchSystem {
  readonly name: string = NAME;
  readonly title: string = 'Grid Engine';
  readonly pollIntervalMs: number = POLL_INTERVAL_MS;
  private readonly host: BatchHost;
  private readonly memory = new JobMemory();

  constructor(host: BatchHost) {
    this.host = host;
  }

  script(request: SubmitRequest): string {
    return jobScript(request, this.host);
  }

  explain(status: BatchJobStatus): string {
    return this.host.explain(this.title, status);
  }

  async submit(request: SubmitRequest): Promise<string> {
    const { host, memory } = this;
    const { directory, comment } = request;
    const path = host.writeScript(directory, this.script(request));
    const nowMs = host.nowMs();
    const result = await this.run('qsub', [...submitOptions(request), path], { cwd: directory });
    if (result.exitCode !== 0) throw this.failure(result);
    // Verifiers of a site (JSV) may print lines before it.
    const id = /^\d+$/m.exec(result.stdout)?.[0];
    if (id === undefined) throw host.error('timedOut', `qsub printed no job id: ${said(result)}`);
    memory.submitted(id, comment, nowMs);
    host.writeJobId(directory, id);
    return id;
  }

  async find(comments: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    if (comments.length === 0) return found;
    const wanted = new Set(comments);
    const ids = (await this.list()).map(({ id }) => id);
    for (const [id, { comment }] of await this.details([...new Set(ids)]))
      if (comment !== null && wanted.has(comment)) found.set(comment, id);
    return found;
  }

  async poll(ids: readonly string[]): Promise<ReadonlyMap<string, BatchJobStatus>> {
    const { memory, host } = this;
    const found = new Map<string, BatchJobStatus>();
    if (ids.length === 0) return found;
    const asked = new Set(ids);
    const listed = (await this.list()).filter(({ id }) => asked.has(id));
    const details = await this.details(listed.map(({ id }) => id));
    for (const job of listed) {
      const status = liveStatus(job, details.get(job.id) ?? null);
      memory.seen(job.id, status);
      found.set(job.id, status);
    }
    const missing = ids.filter((id) => !found.has(id));
    const records = await this.accounting(missing.filter((id) => !memory.hasNoRecord(id)));
    for (const id of missing) found.set(id, memory.gone(id, records.get(id), host.nowMs()) ?? vanished());
    return found;
  }

  async cancel(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const result = await this.run('qdel', ids);
    const lines = `${result.stdout}\n${result.stderr}`.split('\n').filter((line) => line.trim() !== '');
    for (const line of lines) {
      const [, how, id] = DELETION.exec(line) ?? [];
      if (id !== undefined) this.memory.deleted(id, how === 'deleted' ? 'waiting' : 'running');
    }
    if (result.exitCode !== 0 && !lines.every((line) => DELETION.test(line))) throw this.failure(result);
  }

  /** Grid Engine has no estimates. */
  async estimateStarts(): Promise<ReadonlyMap<string, number>> {
    return new Map();
  }

  async doubts(request: SubmitRequest): Promise<readonly string[]> {
    const { directory } = request;
    const path = this.host.writeScript(directory, this.script(request));
    const result = await this.run('qsub', [...submitOptions(request), '-w', 'v', path], { cwd: directory });
    if (result.exitCode === 0) return [];
    if (kindOf(result) !== 'refused') throw this.failure(result);
    return [said(result)];
  }

  /** The user's jobs that have not ended. */
  private async list(): Promise<NonNullable<ReturnType<typeof readList>>> {
    return this.answer(await this.run('qstat', ['-xml', '-u', userInfo().username]), readList);
  }

  private async details(ids: readonly string[]): Promise<ReadonlyMap<string, JobDetails>> {
    if (ids.length === 0) return new Map();
    return this.answer(await this.run('qstat', ['-xml', '-j', ids.join(',')]), readDetails);
  }

  private answer<T>(result: CommandResult, read: (text: string) => T | undefined): T {
    if (result.exitCode !== 0) throw this.failure(result);
    const value = read(result.stdout);
    if (value === undefined)
      throw this.host.error('unreachable', `qstat printed no XML that it is known for: ${said(result).slice(0, 200)}`);
    return value;
  }

  /** One call for all: it tells every job of the user that has started since then. */
  private async accounting(ids: readonly string[]): Promise<ReadonlyMap<string, EndRecord>> {
    if (ids.length === 0) return new Map();
    const sinceMs = (this.memory.earliestMs(ids) ?? this.host.nowMs() - SEARCH_MS) - HOUR_MS;
    try {
      const { stdout } = await this.run('qacct', ['-o', userInfo().username, '-b', compactTime(sinceMs), '-j']);
      return readAccounting(stdout);
    } catch {
      // Where there is no qacct, or no accounting on this host, it is known that qstat does not know them.
      return new Map();
    }
  }

  private run(program: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return this.host.run(program, args, { ...options, env: ENGLISH });
  }

  private failure(result: CommandResult): Error {
    return this.host.error(kindOf(result), said(result) || `exit code ${result.exitCode}`);
  }
}

function kindOf(result: CommandResult): BatchErrorKind {
  const text = said(result);
  return MEANINGS.find(([pattern]) => pattern.test(text))?.[1] ?? 'refused';
}

/** What a command printed beside an answer, in one line. */
function said({ stdout, stderr }: CommandResult): string {
  const lines = `${stderr}\n${stdout}`.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && line !== 'Exiting.').join('; ');
}

function vanished(): BatchJobStatus {
  return { state: 'vanished', rawState: '', reason: null, startMs: null, endMs: null, restarts: 0, comment: null };
}

/** `CCYYMMDDhhmm` in the zone of this process, as qacct takes times. */
function compactTime(ms: number): string {
  const date = new Date(ms);
  const parts = [date.getMonth() + 1, date.getDate(), date.getHours(), date.getMinutes()];
  return date.getFullYear() + parts.map((part) => String(part).padStart(2, '0')).join('');
}
