/** Copies what is readable of a damaged table, around the pages that are not. Used by `recover.ts`; synchronous. */
import type { Database } from 'better-sqlite3';

/** Rows read at once while nothing is wrong. */
const SLICE_ROWS = 500;
/** Rowids and ids of tasks are below. */
const MAX_KEY = 2 ** 40;

/** What was read of one table, or of one part of it. */
export interface Salvaged {
  copied: number;
  /** Stretches of keys that cannot be read; how many rows lay there nobody knows. */
  gaps: number;
}

interface SalvageOptions {
  readonly from: Database;
  readonly to: Database;
  readonly table: string;
  /** Integer column by which it is read in order. */
  readonly key: string;
  /** Only rows with these values, for tables whose key has several columns. */
  readonly where?: Readonly<Record<string, number>>;
  /** False: the row is damaged in itself, and left out. */
  isSound(row: Readonly<Record<string, unknown>>): boolean;
}

type Row = Record<string, unknown>;

export function salvageTable(o: SalvageOptions): Salvaged {
  const columns = commonColumns(o);
  const conditions = Object.entries(o.where ?? {}).map(([name, value]) => `${name} = ${value} AND `);
  const list = [`${o.key} AS "~key"`, ...columns].join(', ');
  const read = o.from.prepare(`SELECT ${list} FROM ${o.table} WHERE ${conditions.join('')}${o.key} > ? ORDER BY ${o.key} LIMIT ?`);
  const insert = o.to.prepare(`INSERT OR REPLACE INTO ${o.table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`);
  const result: Salvaged = { copied: 0, gaps: 0 };
  const rowsAfter = (after: number, limit: number): Row[] | null => {
    try {
      const rows = read.all(after, limit) as Row[];
      return isAscending(rows, after) ? rows : null;
    } catch {
      return null;
    }
  };
  for (let after = -1; ; ) {
    let rows = rowsAfter(after, SLICE_ROWS);
    // Somewhere in this slice: one by one up to there, then over the gap.
    rows ??= rowsAfter(after, 1);
    if (rows === null) {
      result.gaps += 1;
      const next = endOfGap(after, (key) => rowsAfter(key, 1) !== null);
      if (next === null) return result;
      after = next;
      continue;
    }
    if (rows.length === 0) return result;
    for (const row of rows) {
      if (o.isSound(row)) {
        insert.run(columns.map((name) => row[name]));
        result.copied += 1;
      } else result.gaps += 1;
    }
    after = rows.at(-1)?.['~key'] as number;
  }
}

/** Pages of a damaged file may lead back to where one came from, which would go on for ever. */
function isAscending(rows: readonly Row[], after: number): boolean {
  return rows.every((row, at) => (row['~key'] as number) > (at === 0 ? after : (rows[at - 1]?.['~key'] as number)));
}

/** @returns the least key behind `after` from which on reading works; null when there is none */
function endOfGap(after: number, works: (key: number) => boolean): number | null {
  let jump = 1;
  while (!works(after + jump)) {
    jump *= 2;
    if (jump > MAX_KEY) return null;
  }
  let [bad, good] = [Math.floor(jump / 2), jump];
  while (good - bad > 1) {
    const middle = Math.floor((bad + good) / 2);
    if (works(after + middle)) good = middle;
    else bad = middle;
  }
  return after + good;
}

function commonColumns({ from, to, table }: SalvageOptions): string[] {
  const namesOf = (db: Database): string[] => (db.pragma(`table_info(${table})`) as { name: string }[]).map(({ name }) => name);
  const known = new Set(namesOf(from));
  return namesOf(to).filter((name) => known.has(name));
}
