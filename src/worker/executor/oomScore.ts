/** Makes the kernel prefer tasks to the worker when memory runs out. Called by both launchers. */
import { readFileSync, writeFileSync } from 'node:fs';

/** In thousandths of the machine's memory: a small task goes before a worker, and the largest task goes first. */
const RAISED_BY = 500;
const MOST = 1_000;

let score: string | undefined;

/** @param pid a process of our own; what it starts from now on inherits it. Without effect where the system does not allow it */
export function offerToOomKiller(pid: number): void {
  try {
    score ??= String(Math.min(MOST, Number(readFileSync('/proc/self/oom_score_adj', 'utf8')) + RAISED_BY));
    writeFileSync(`/proc/${pid}/oom_score_adj`, score);
  } catch {
    // It has ended, or this is no Linux that has it: the kernel then chooses by size alone.
  }
}
