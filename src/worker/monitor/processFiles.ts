/** Reads processes and their memory out of /proc. Called by the memory monitor, which decides how often that may be. */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type ProcessRow, parseStat } from './processTree.ts';

/** Entry of the auxiliary vector that holds the size of a page. */
const AT_PAGESZ = 6n;

/** A line of stat has some fifty numbers. */
const STAT_MAX_BYTES = 2_048;

/** Memory of some processes together, bytes. */
export interface MemoryUse {
  /** What is in memory; pages shared by several processes count once. */
  readonly bytes: number;
  /** Without pages of files, which the kernel can drop when it needs room: what a limit is about. */
  readonly heldBytes: number;
}

let page: number | undefined;

/** Bytes of a page: 4,096, on some machines 65,536. */
export function pageBytes(): number {
  page ??= readPageBytes();
  return page;
}

/** Passes over /proc. On a large machine most of what is there are threads of the kernel, which are read once. */
export class ProcessReader {
  private readonly buffer = Buffer.allocUnsafe(STAT_MAX_BYTES);
  /** Names of those in the last pass. */
  private kernelThreads = new Set<string>();

  /** @returns every process that can be seen; none when this process may open no more files */
  read(): ProcessRow[] {
    const rows: ProcessRow[] = [];
    const kernelThreads = new Set<string>();
    for (const name of listProcesses()) {
      const first = name.charCodeAt(0);
      if (first < 0x31 || first > 0x39) continue;
      const row = this.kernelThreads.has(name) ? 'kernel' : parseStat(this.stat(name));
      if (row === 'kernel') kernelThreads.add(name);
      else if (row !== undefined) rows.push(row);
    }
    this.kernelThreads = kernelThreads;
    return rows;
  }

  /** By hand into one buffer, because `readFileSync` takes twice as long; empty for a process that has ended since the directory was read. */
  private stat(name: string): string {
    let file: number | undefined;
    try {
      file = openSync(`/proc/${name}/stat`, 'r');
      return this.buffer.toString('latin1', 0, readSync(file, this.buffer));
    } catch {
      return '';
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }
}

function listProcesses(): string[] {
  try {
    return readdirSync('/proc');
  } catch {
    return [];
  }
}

/**
 * Looks closely, which takes milliseconds per GiB: not on this thread.
 * @param processes of one task; those that have ended meanwhile count nothing
 */
export async function measure(processes: readonly ProcessRow[]): Promise<MemoryUse> {
  const uses = await Promise.all(processes.map(useOf));
  return uses.reduce((sum, one) => ({ bytes: sum.bytes + one.bytes, heldBytes: sum.heldBytes + one.heldBytes }));
}

async function useOf({ pid, residentPages }: ProcessRow): Promise<MemoryUse> {
  const rollup = await readText(`/proc/${pid}/smaps_rollup`);
  const proportional = kib(rollup, 'Pss');
  if (proportional !== undefined) {
    const [anonymous, shared] = [kib(rollup, 'Pss_Anon'), kib(rollup, 'Pss_Shmem')];
    // Before Linux 5.9 only the sum is told.
    if (anonymous !== undefined && shared !== undefined) return { bytes: proportional, heldBytes: anonymous + shared };
  }
  const status = await readText(`/proc/${pid}/status`);
  const resident = proportional ?? kib(status, 'VmRSS');
  if (resident === undefined) return { bytes: 0, heldBytes: 0 };
  const ofFiles = kib(status, 'RssFile') ?? 0;
  const held = Math.max(0, (kib(status, 'VmRSS') ?? residentPages * pageBytes()) - ofFiles);
  return { bytes: resident, heldBytes: Math.min(held, resident) };
}

/** @returns bytes out of a line such as `Pss:   12 kB` */
function kib(text: string, name: string): number | undefined {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
  return found === undefined ? undefined : Number(found) * 1_024;
}

/** Empty when the process has ended, or is not ours. */
function readText(path: string): Promise<string> {
  return readFile(path, 'latin1').catch(() => '');
}

function readPageBytes(): number {
  const vector = readFileSync('/proc/self/auxv');
  for (let at = 0; at + 16 <= vector.length; at += 16)
    if (vector.readBigUInt64LE(at) === AT_PAGESZ) return Number(vector.readBigUInt64LE(at + 8));
  return 4_096;
}
