/**
 * ASCII tables and times as the original draws them. Used by the table renderer only. Drawn here and not by a library, because a job may have a
 * hundred thousand tasks: the time must grow with the rows, not with their square.
 */
import type { Writable } from 'node:stream';

export type Cell = string | number;

/** Colours of text, as terminals number them. */
export const RED = 31;
export const GREEN = 32;
export const YELLOW = 33;

export class Tables {
  private readonly out: Writable;
  private readonly colors: boolean;

  constructor(out: Writable, colors: boolean) {
    this.out = out;
    this.colors = colors;
  }

  /**
   * Headers above columns.
   * @param right columns from 0 whose cells end at the right, as the original has them: scripts look for a number and one blank
   */
  horizontal(headers: readonly string[], rows: readonly (readonly Cell[])[], right: readonly number[] = []): void {
    const cells = [headers, ...rows].map((row) => row.map(linesOf));
    this.draw(cells, { boldRows: 1, boldColumns: 0, right });
  }

  /** One property per line; a rule below the first one, as in the original. */
  vertical(rows: readonly (readonly [name: string, value: Cell])[]): void {
    this.draw(
      rows.map((row) => row.map(linesOf)),
      { boldRows: 0, boldColumns: 1, right: [] },
    );
  }

  /** A word in a colour, where colours are wanted. */
  colored(text: string, color: number): string {
    return this.colors ? `\u001b[${color}m${text}\u001b[39m` : text;
  }

  private draw(rows: readonly (readonly string[][])[], o: { boldRows: number; boldColumns: number; right: readonly number[] }): void {
    const widths = (rows[0] ?? []).map((_, column) => {
      let width = 0;
      for (const row of rows) for (const line of row[column] ?? []) width = Math.max(width, widthOf(line));
      return width;
    });
    const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
    const text = [rule];
    rows.forEach((row, index) => {
      const isBold = (column: number): boolean => this.colors && (index < o.boldRows || column < o.boldColumns);
      const height = Math.max(...row.map((lines) => lines.length));
      for (let line = 0; line < height; line += 1) {
        const cells = row.map((lines, column) => {
          const isRight = index >= o.boldRows && o.right.includes(column);
          return padded(lines[line] ?? '', { width: widths[column] as number, bold: isBold(column), isRight });
        });
        text.push(`| ${cells.join(' | ')} |`);
      }
      if (index === 0 && rows.length > 1) text.push(rule);
    });
    this.out.write(`${text.join('\n')}\n${rule}\n`);
  }
}

function padded(text: string, o: { width: number; bold: boolean; isRight: boolean }): string {
  const blanks = ' '.repeat(o.width - widthOf(text));
  if (o.isRight) return blanks + text;
  return o.bold && text !== '' ? `\u001b[1m${text}\u001b[22m${blanks}` : text + blanks;
}

/** Lines of a cell. Other control characters come from tasks and must not reach the terminal. */
function linesOf(cell: Cell): string[] {
  const text = String(cell);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const safe = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(text)
    ? text
        .replace(/\t/g, '    ')
        .replace(/\r/g, '')
        .replace(/(?!\n)\p{Cc}/gu, '\ufffd')
    : text;
  return safe.replace(/\n+$/, '').split('\n');
}

/** Columns on a terminal. */
function widthOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) {
    if (!/\p{M}|\u200d/u.test(character)) width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}

/** East Asian wide and full-width characters, and emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

const two = (value: number): string => String(value).padStart(2, '0');

/** `dd.mm.YYYY HH:MM:SS`, local. */
export function localTime(atMs: number): string {
  const at = new Date(atMs);
  const day = `${two(at.getDate())}.${two(at.getMonth() + 1)}.${at.getFullYear()}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
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
