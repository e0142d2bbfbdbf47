/**
 * What a worker tells its server beside the news of tasks, for the event log: why jobs are not started by a warm runner. The same line is told once.
 * Lines wait until there is a server that reads them. Made by `runWorker`, attached by the worker's session to each server.
 */
import { NOTICE_MAX_BYTES } from '../protocol/messages/worker.ts';

/** A workflow has few reasons; what makes up new ones for every job is not told on and on. */
const LINES_MAX = 100;

export class Notices {
  private readonly told = new Set<string>();
  private waiting: string[] = [];
  private send: ((line: string) => void) | null = null;

  /** @param line one line, cut where it is too long for a frame */
  tell(line: string): void {
    const text = Buffer.from(line)
      .subarray(0, NOTICE_MAX_BYTES)
      .toString()
      .replace(/\uFFFD$/, '');
    if (this.told.has(text) || this.told.size >= LINES_MAX) return;
    this.told.add(text);
    if (this.send === null) this.waiting.push(text);
    else this.send(text);
  }

  /** @param send null: no server reads them now */
  attach(send: ((line: string) => void) | null): void {
    this.send = send;
    if (send === null) return;
    for (const line of this.waiting) send(line);
    this.waiting = [];
  }
}
