/** ASCII tables and times as the original draws them. Used by the table renderer only. */
import type { Writable } from 'node:stream';
import Table from 'cli-table3';

export type Cell = string | number;

const BORDERS = {
  top: '-',
  'top-mid': '+',
  'top-left': '+',
  'top-right': '+',
  bottom: '-',
  'bottom-mid': '+',
  'bottom-left': '+',
  'bottom-right': '+',
  left: '|',
  'left-mid': '+',
  mid: '-',
  'mid-mid': '+',
  right: '|',
  'right-mid': '+',
  middle: '|',
};

export class Tables {
  private readonly out: Writable;
  private readonly colors: boolean;

  constructor(out: Writable, colors: boolean) {
    this.out = out;
    this.colors = colors;
  }

  /** Headers above columns. */
  horizontal(headers: readonly string[], rows: readonly (readonly Cell[])[]): void {
    const table = this.make(headers.map((header) => this.bold(header)));
    table.push(...rows.map((row) => row.map(String)));
    this.print(table, false);
  }

  /** One property per line. */
  vertical(rows: readonly (readonly [name: string, value: Cell])[]): void {
    const table = this.make([]);
    table.push(...rows.map(([name, value]) => [this.bold(name), String(value)]));
    this.print(table, true);
  }

  private make(head: string[]): Table.Table {
    return new Table({ head, chars: BORDERS, style: { head: [], border: [], compact: true } });
  }

  private print(table: Table.Table, rule: boolean): void {
    const text = table.toString();
    // The original draws a rule below the first line of a property table, too.
    const lines = text.split('\n');
    if (rule && lines.length > 3) lines.splice(2, 0, lines[0] as string);
    this.out.write(`${lines.join('\n')}\n`);
  }

  private bold(text: string): string {
    return this.colors ? `\u001b[1m${text}\u001b[22m` : text;
  }
}

const two = (value: number): string => String(value).padStart(2, '0');

/** `dd.mm.YYYY HH:MM:SS`, local. */
export function localTime(atMs: number): string {
  const at = new Date(atMs);
  return `${two(at.getDate())}.${two(at.getMonth() + 1)}.${at.getFullYear()} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** `YYYY-MM-DD HH:MM:SS UTC` */
export function utcTime(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** Cuts the middle out of a text that is longer than `length` characters. */
export function cutMiddle(text: string, length: number): string {
  if (text.length <= length) return text;
  const half = Math.floor((length - 3) / 2);
  return `${text.slice(0, half)}...${text.slice(text.length - half)}`;
}
