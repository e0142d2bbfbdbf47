/**
 * `.command.run`, Nextflow's script around the command of a task, as far as hq must know it: Nextflow learns of the end of a task from the file that
 * the script writes when it ends (nextflow-io/nextflow, `GridTaskHandler`), and waits for minutes when it has not. Pure; used by the worker and, for tasks
 * that no worker holds any more, by the server.
 */
import { constants } from 'node:os';
import type { AttemptFailure } from '../protocol/messages/worker.ts';
import { assertNever } from './assert.ts';

/** In the directory of a task: its exit code, in decimal. */
export const EXIT_CODE_FILE = '.exitcode';
/** What the command has printed as errors: Nextflow shows it with a failure. */
export const ERROR_FILE = '.command.err';
/** What the script has printed; there is none where that is in a consolidated log. */
export const LOG_FILE = '.command.log';

/** As the script itself does when it is interrupted, 128 + SIGINT. */
const INTERRUPTED = 130;
/** 128 + SIGKILL: what rules for more memory look for. */
const OUT_OF_MEMORY = 137;
/** 128 + SIGTERM: what a node that goes away leaves elsewhere. */
const NODE_GONE = 143;
/** As shells have it for a program that cannot be started. */
const NOT_STARTED = 126;

/** What is needed of a failure. */
export type WrapperFailure = Pick<AttemptFailure, 'kind' | 'error' | 'exitCode' | 'signal'>;

/** @returns the failure of a task that is no longer wanted */
export function canceledFailure(reason: string | null): WrapperFailure {
  return { kind: 'canceled', error: reason ?? 'The task was canceled.', exitCode: null, signal: null };
}

/** @returns 1 to 255, such that the usual rules of pipelines (nf-core: 130 to 145, and 104) try again where that may help */
export function exitCodeFor({ kind, exitCode, signal }: WrapperFailure): number {
  switch (kind) {
    case 'exit':
      return exitCode || 1;
    case 'signal':
      return 128 + ((constants.signals as Readonly<Record<string, number>>)[signal ?? ''] ?? 0);
    case 'time-limit':
    case 'canceled':
      return INTERRUPTED;
    case 'memory-limit':
      return OUT_OF_MEMORY;
    case 'worker-lost':
      return NODE_GONE;
    case 'spawn':
      return NOT_STARTED;
    case 'log':
    case 'internal':
      return 1;
    default:
      return assertNever(kind, 'failure kind');
  }
}

/**
 * @param begins the file is empty, or ends with a line feed
 * @returns what is added to a file for a person to read
 */
export function reasonText({ error }: WrapperFailure, begins: boolean): string {
  return `${begins ? '' : '\n'}hq: ${error}\n`;
}
