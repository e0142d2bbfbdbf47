/** Does a row out of a damaged file mean something? What a checksum would tell elsewhere is told here by the meaning of the values. Used by `recover.ts`. Pure. */
import { submit } from '../../protocol/schema/task.ts';
import { workerConfiguration } from '../../protocol/schema/worker.ts';
import { failureOf, stateOf } from './codes.ts';
import { decodeEvents } from './eventCodec.ts';
import { unpackBytes } from './pack.ts';
import { parseStored } from './taskWriter.ts';
import type { StoredSubmit } from './types.ts';

/** Columns by name. */
export type StoredRow = Readonly<Record<string, unknown>>;

/** Columns that are no numbers, and not null everywhere. */
const TEXTS: ReadonlySet<string> = new Set(['cancel_reason', 'task_ids', 'session', 'end_reason', 'error', 'signal', 'gang']);
const BLOBS: ReadonlySet<string> = new Set(['header', 'payload', 'configuration', 'body']);

/** @returns false when a server could not read the row, or would not know what it says */
export function isSoundRow(table: string, row: StoredRow): boolean {
  try {
    return Object.entries(row).every(isOfItsType) && meansSomething(table, row);
  } catch {
    return false;
  }
}

function isOfItsType([name, value]: [string, unknown]): boolean {
  if (value === null) return true;
  if (BLOBS.has(name)) return value instanceof Uint8Array;
  return TEXTS.has(name) ? typeof value === 'string' : typeof value === 'number';
}

/** Throws for what cannot be decoded. */
function meansSomething(table: string, row: StoredRow): boolean {
  const unpacked = (name: string): unknown => unpackBytes(row[name] as Uint8Array);
  switch (table) {
    case 'jobs': {
      const header = unpacked('header') as { name?: unknown; labels?: unknown } | null;
      return typeof header?.name === 'string' && typeof header.labels === 'object';
    }
    case 'submits': {
      parseStored(row['task_ids'] as string);
      const { modifications: _later, ...rest } = unpacked('payload') as StoredSubmit;
      return submit.safeParse(rest).success;
    }
    case 'tasks':
      stateOf(row['state'] as number);
      if (row['failure'] !== null) failureOf(row['failure'] as number);
      return true;
    case 'bulk_ends':
      stateOf(row['state'] as number);
      parseStored(row['task_ids'] as string);
      return true;
    case 'workers':
      return workerConfiguration.safeParse(unpacked('configuration')).success;
    case 'events':
      decodeEvents(row['payload'] as Uint8Array, row['first_seq'] as number);
      return true;
    case 'queues':
    case 'allocations':
      return typeof unpacked('body') === 'object';
    default:
      return true;
  }
}
