/**
 * Reads the small text files through which Linux describes a machine. The root is a parameter so that tests can show another machine.
 */
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export class HostFiles {
  private readonly root: string;

  /** @param root `/`, or a directory that holds copies of /proc and /sys */
  constructor(root = '/') {
    this.root = root;
  }

  /** @returns where a path of the machine really is */
  at(path: string): string {
    return join(this.root, path);
  }

  /** @returns the trimmed text, or undefined when the file does not exist or cannot be read */
  read(path: string): string | undefined {
    try {
      return readFileSync(this.at(path), 'utf8').trim();
    } catch {
      return undefined;
    }
  }

  /** @returns true when this process may read and write the file; device control groups count */
  canOpen(path: string): boolean {
    try {
      accessSync(this.at(path), constants.R_OK | constants.W_OK);
      return true;
    } catch {
      return false;
    }
  }

  /** @returns the names in a directory; empty when there is none */
  list(path: string): string[] {
    try {
      return readdirSync(this.at(path));
    } catch {
      return [];
    }
  }
}

/** @returns the numbers of a kernel list such as `0-3,8,10-11`; empty for an empty list */
export function parseKernelList(text: string): number[] {
  const numbers: number[] = [];
  for (const part of text.split(',')) {
    const match = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part);
    if (match === null) continue;
    const start = Number(match[1]);
    for (let n = start; n <= Number(match[2] ?? start); n += 1) numbers.push(n);
  }
  return numbers;
}
