/** What a failed task tells its user. The sentences are those of HyperQueue, because scripts look for them. Called by the state machine. */
import { constants } from 'node:os';
import { formatSize } from '../common/size.ts';
import type { AttemptFailure } from '../protocol/messages/worker.ts';
import type { HeldTask, MemoryExcess, TaskEnd } from './heldTask.ts';

/** Words of the C library for the errors that starting a program or opening a file gives, with their Linux numbers. */
const ERROR_WORDS: Readonly<Record<string, string>> = {
  EPERM: 'Operation not permitted (os error 1)',
  ENOENT: 'No such file or directory (os error 2)',
  ENXIO: 'No such device or address (os error 6)',
  E2BIG: 'Argument list too long (os error 7)',
  ENOEXEC: 'Exec format error (os error 8)',
  EAGAIN: 'Resource temporarily unavailable (os error 11)',
  ENOMEM: 'Cannot allocate memory (os error 12)',
  EACCES: 'Permission denied (os error 13)',
  EEXIST: 'File exists (os error 17)',
  ENOTDIR: 'Not a directory (os error 20)',
  EISDIR: 'Is a directory (os error 21)',
  EINVAL: 'Invalid argument (os error 22)',
  ENFILE: 'Too many open files in system (os error 23)',
  EMFILE: 'Too many open files (os error 24)',
  ENOSPC: 'No space left on device (os error 28)',
  EROFS: 'Read-only file system (os error 30)',
  ENAMETOOLONG: 'File name too long (os error 36)',
  ELOOP: 'Too many levels of symbolic links (os error 40)',
};

/** @returns what the server is told about a task that did not finish */
export function failureOf(task: HeldTask, end: TaskEnd): AttemptFailure {
  const exitCode = end.kind === 'exit' ? end.code : null;
  const signal = end.kind === 'signal' ? end.signal : null;
  if (task.stop === 'time-limit') return { kind: 'time-limit', error: 'Time limit reached', exitCode, signal };
  if (task.stop === 'memory-limit' && task.excess !== null)
    return { kind: 'memory-limit', error: excessText(task.excess), exitCode, signal };
  switch (end.kind) {
    case 'exit':
    case 'signal':
      if (end.excess !== undefined) return { kind: 'memory-limit', error: excessText(end.excess), exitCode, signal };
      return { kind: end.outOfMemory === true ? 'memory-limit' : end.kind, error: endText(end), exitCode, signal };
    case 'spawn':
    case 'log':
    case 'internal':
      return { kind: end.kind, error: end.error, exitCode, signal };
  }
}

/** @returns one sentence about a task that holds more memory than it has requested */
export function excessText({ usedBytes, limitBytes, atLimit }: MemoryExcess): string {
  const wanted = atLimit === true ? ' when it wanted more' : '';
  return `Memory limit exceeded: ${formatSize(usedBytes)} used${wanted}, ${formatSize(limitBytes)} requested.`;
}

function endText(end: Extract<TaskEnd, { kind: 'exit' | 'signal' }>): string {
  if (end.message !== undefined && end.outOfMemory !== true) return end.message;
  const why = end.outOfMemory === true ? ' The kernel has killed a process of it, because no memory was left.' : '';
  if (end.kind === 'exit') return `Program terminated with exit code ${end.code}.${why}`;
  const number = (constants.signals as Readonly<Record<string, number>>)[end.signal] ?? 0;
  return `Program terminated with exit code -1. Received signal ${number} (${end.signal}).${why}`;
}

/** @returns the words for an error of the operating system, `No such file or directory (os error 2)` */
export function errorWords(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  const words = typeof code === 'string' ? ERROR_WORDS[code] : undefined;
  return words ?? (error instanceof Error ? error.message : String(error));
}
