/**
 * What is on disk and in /proc of one local allocation. Used by the local batch system; the files outlive the server, so that the next one finds its
 * allocations again. Process numbers are given out again: a process is known by its number and its start time.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { writePrivate } from '../identity/privateFile.ts';

/** Written before anything is started. Times in Unix milliseconds. */
const record = z.object({
  comment: z.string(),
  submittedMs: z.number(),
  limitMs: z.number(),
  bootId: z.string(),
  /** A trial, which is never started. */
  held: z.boolean(),
});
export type LocalRecord = z.infer<typeof record>;

/** `itself`: the script ended; `limit`: its time was over. */
export type EndCause = 'itself' | 'canceled' | 'limit';

export interface LocalEnd {
  readonly code: number;
  readonly cause: EndCause;
  readonly endMs: number;
}

const RECORD_FILE = 'allocation.json';
const PID_FILE = 'pid';
const EXIT_FILE = 'exit';
const CANCEL_FILE = 'cancel';

/** One allocation's directory of state. Methods throw errors of the file system where they write. */
export class LocalState {
  readonly id: string;
  readonly directory: string;

  constructor(parent: string, id: string) {
    this.id = id;
    this.directory = join(parent, id);
  }

  create(made: LocalRecord): void {
    mkdirSync(this.directory, { mode: 0o700 });
    writePrivate(join(this.directory, RECORD_FILE), JSON.stringify(made), { durable: false });
  }

  /** @returns undefined when there is none, or none that can be read */
  record(): LocalRecord | undefined {
    try {
      return record.parse(JSON.parse(readFileSync(join(this.directory, RECORD_FILE), 'utf8')));
    } catch {
      return undefined;
    }
  }

  end(): LocalEnd | undefined {
    const path = join(this.directory, EXIT_FILE);
    const match = /^(\d+) (itself|canceled|limit)\n$/.exec(read(path));
    return match === null ? undefined : { code: Number(match[1]), cause: match[2] as EndCause, endMs: statSync(path).mtimeMs };
  }

  /** For an allocation whose supervisor cannot do it: it was never started, or is gone. */
  writeEnd(code: number, cause: EndCause): void {
    writePrivate(join(this.directory, EXIT_FILE), `${code} ${cause}\n`, { durable: false });
  }

  /** @returns undefined when none was started yet */
  supervisor(): { readonly pid: number; readonly isAlive: boolean; readonly startedMs: number } | undefined {
    const path = join(this.directory, PID_FILE);
    const match = /^(\d+) (\d+)\n$/.exec(read(path));
    if (match === null) return undefined;
    const pid = Number(match[1]);
    return { pid, isAlive: startTime(pid) === match[2], startedMs: statSync(path).mtimeMs };
  }

  /** A supervisor that takes no signals yet finds it. */
  writeCancel(): void {
    writePrivate(join(this.directory, CANCEL_FILE), '', { durable: false });
  }

  /** Numbers of the processes that carry the id in their environment: what is left when the supervisor is gone. */
  members(): number[] {
    const entry = `HQ_ALLOCATION_ID=${this.id}`;
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && read(`/proc/${name}/environ`).split('\0').includes(entry))
      .map(Number);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Which start of the machine this is: processes of an earlier one are gone. */
export function bootId(): string {
  return read('/proc/sys/kernel/random/boot_id').trim();
}

/** @returns ticks since the start of the machine; undefined when there is no such process, or only what its parent has not asked for yet */
function startTime(pid: number): string | undefined {
  const fields = read(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
