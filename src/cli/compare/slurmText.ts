/** Reads what Slurm's commands print: partitions, configuration, counters, jobs, ids. Pure. Used by `hq compare`; facts: man pages, Slurm 22.05. */
import type { ControllerRpcs } from '../../protocol/schema/compare.ts';

/** For `sinfo --noheader --format=…`: partition, nodes, CPUs of a node, state. */
export const SINFO_FORMAT = '%P|%D|%c|%t';

export interface Partition {
  readonly name: string;
  /** Those in service. */
  readonly nodes: number;
  /** Of the kind of node that it has most of. */
  readonly nodeCpus: number;
  readonly isDefault: boolean;
}

/** States in which a node runs jobs or soon will; a `*` behind one means that it does not answer. */
const IN_SERVICE = /^(idle|mix|alloc|comp|resv|plnd)[^*]*$/;

/** @param text in SINFO_FORMAT @returns the partitions in their order */
export function readSinfo(text: string): Partition[] {
  const found = new Map<string, { isDefault: boolean; kinds: Map<number, number> }>();
  for (const line of text.split('\n').filter(Boolean)) {
    const [title = '', nodes = '', cpus = '', state = ''] = line.trim().split('|');
    const name = title.replace(/\*$/, '');
    const partition = found.get(name) ?? { isDefault: title.endsWith('*'), kinds: new Map<number, number>() };
    found.set(name, partition);
    // `4+`: at least 4.
    const size = Number.parseInt(cpus, 10);
    if (IN_SERVICE.test(state)) partition.kinds.set(size, (partition.kinds.get(size) ?? 0) + Number(nodes));
  }
  return [...found].map(([name, { isDefault, kinds }]) => {
    const most = [...kinds].sort((a, b) => b[1] - a[1])[0];
    const nodes = [...kinds.values()].reduce((sum, count) => sum + count, 0);
    return { name, nodes, nodeCpus: most?.[0] ?? 0, isDefault };
  });
}

/** What of `scontrol show config` matters here. */
export interface SlurmConfiguration {
  readonly version: string;
  /** Indices of a job array are below it. */
  readonly maxArraySize: number;
}

/** @param text of `scontrol show config` */
export function readConfiguration(text: string): SlurmConfiguration {
  const value = (name: string): string | undefined => new RegExp(`^${name}\\s*=\\s*(\\S+)`, 'm').exec(text)?.[1];
  return { version: value('SLURM_VERSION') ?? 'unknown', maxArraySize: Number(value('MaxArraySize') ?? 1_001) };
}

/** Counters of sdiag at one moment. */
export interface SdiagCounters {
  readonly byType: ReadonlyMap<string, number>;
  readonly byUser: ReadonlyMap<number, number>;
}

/** The question itself. */
const OWN_TYPE = 'REQUEST_STATS_INFO';

/** @param text of `sdiag` */
export function readSdiag(text: string): SdiagCounters {
  const [byType, byUser] = [new Map<string, number>(), new Map<number, number>()];
  for (const section of text.split(/^(?=\S)/m)) {
    const isType = section.startsWith('Remote Procedure Call statistics by message type');
    if (!isType && !section.startsWith('Remote Procedure Call statistics by user')) continue;
    for (const [, name = '', id, count] of section.matchAll(/^\s+(\S+)\s*\(\s*(\d+)\)\s*count:(\d+)/gm)) {
      if (isType) byType.set(name, Number(count));
      else byUser.set(Number(id), Number(count));
    }
  }
  return { byType, byUser };
}

/**
 * @param uid whose requests are told apart
 * @returns what was asked between two moments, without the look at the counters; null when they were reset between
 */
export function rpcsBetween(before: SdiagCounters, after: SdiagCounters, uid: number): ControllerRpcs | null {
  const types = [...after.byType].map(([name, count]): [string, number] => [name, count - (before.byType.get(name) ?? 0)]);
  const user = (after.byUser.get(uid) ?? 0) - (before.byUser.get(uid) ?? 0);
  // They are set to zero once a day; what sdiag says of that moment (`Data since`) changes at other times, too.
  if (user < 0 || types.some(([, count]) => count < 0)) return null;
  const others = types.filter(([name, count]) => name !== OWN_TYPE && count > 0);
  const own = types.find(([name]) => name === OWN_TYPE)?.[1] ?? 0;
  return {
    total: others.reduce((sum, [, count]) => sum + count, 0),
    user: Math.max(user - own, 0),
    byType: Object.fromEntries(others.sort((a, b) => b[1] - a[1])),
  };
}

/** One job as squeue and sacct tell it; times in Unix milliseconds, null where there is none. */
export interface JobRow {
  readonly id: string;
  readonly state: string;
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly cpus: number;
}

/** The same five columns of both; with SLURM_TIME_FORMAT=%s times are Unix seconds. */
export const SQUEUE_COLUMNS = '%i|%T|%S|%e|%C';
export const SACCT_COLUMNS = 'JobID,State,Start,End,AllocCPUS';

/** @param text lines of SQUEUE_COLUMNS or SACCT_COLUMNS */
export function readJobRows(text: string): JobRow[] {
  return text.split('\n').flatMap((line) => {
    const [id = '', state = '', start = '', end = '', cpus = ''] = line.trim().split('|');
    // `CANCELLED by 0`: the word is enough.
    return id === '' ? [] : [{ id, state: state.split(' ')[0] ?? '', startMs: unixMs(start), endMs: unixMs(end), cpus: Number(cpus) || 0 }];
  });
}

function unixMs(text: string): number | null {
  return /^[1-9]\d*$/.test(text) ? Number(text) * 1_000 : null;
}

/** @param text what sbatch has printed, with or without --parsable, and what sites let it print beside @returns ids in their order */
export function readSubmittedIds(text: string): string[] {
  return [...text.matchAll(/^(?:Submitted batch job )?(\d+)(?:;\S*)?(?: on cluster \S+)?$/gm)].map(([, id]) => id as string);
}

/** @returns the rows without those of whole arrays whose tasks have rows of their own: accounting that is late has both for a moment */
export function withoutArrays(rows: readonly JobRow[]): JobRow[] {
  const arrays = new Set(rows.flatMap(({ id }) => (id.includes('_') ? [id.replace(/_.*$/, '')] : [])));
  return rows.filter(({ id }) => !arrays.has(id));
}
