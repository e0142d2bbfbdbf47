/** Output that hqspawn keeps for the worker until it is in a log. Made by the native launcher, read by streams. */
import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import type { Capture, Captured } from './capture.ts';

/** Output of one channel of a task, in a file that hqspawn holds: small output comes with its answer, other is read from its descriptor. */
export class NativeCapture implements Capture {
  private path: string | undefined;
  private fd: number | undefined;
  private content: Buffer | undefined;
  private onClosed: (() => void) | undefined;

  started(path: string): void {
    this.path = path;
  }

  /** Everything is known; what has been opened goes on being read. */
  ended(content: Buffer): void {
    this.content = content;
  }

  whenClosed(action: () => void): void {
    this.onClosed = action;
  }

  look(): Captured | undefined {
    if (this.fd !== undefined) return { size: fstatSync(this.fd).size, source: this.fd };
    if (this.content !== undefined) return { size: this.content.length, source: this.content };
    if (this.path === undefined || statSync(this.path).size === 0) return undefined;
    this.fd = openSync(this.path, 'r');
    return { size: fstatSync(this.fd).size, source: this.fd };
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
    this.onClosed?.();
    this.onClosed = undefined;
  }
}
