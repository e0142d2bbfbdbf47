/** What a batch system may use of the server: commands with a time-out, the table of errors, the clock. Made by `openBatchSystem.ts` and by tests. */
import { briefRun } from '../../common/briefRun.ts';
import { type ErrorCode, HqError } from '../../protocol/errors.ts';
import type { BatchErrorKind, BatchHost } from './batchSystem.ts';
import { explainStatus } from './explainStatus.ts';
import { writeJobId, writeScript } from './submission.ts';
import { checkRequest, directiveWord, nodeCommand } from './workerScript.ts';

/**
 * A controller that is down lets a command of Slurm hang for 9 s per controller before it says so, and a loaded one answers after some 10 s,
 * milliseconds.
 */
const COMMAND_TIMEOUT_MS = 60_000;

/** Status of 10,000 jobs, characters. */
const OUTPUT_MAX = 64 * 1024 * 1024;

const CODES: Readonly<Record<BatchErrorKind, ErrorCode>> = {
  refused: 'HQ_E_BATCH_REFUSED',
  unreachable: 'HQ_E_BATCH_UNREACHABLE',
  timedOut: 'HQ_E_BATCH_TIMEOUT',
  notInstalled: 'HQ_E_BATCH_NOT_INSTALLED',
};

export interface BatchHostOptions {
  /** Named in errors: `Slurm`. */
  readonly title: string;
  /** See `BatchHost`. */
  readonly directory: string;
  /** Of the commands; default: that of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
}

export function makeBatchHost({ title, directory, env = process.env, timeoutMs = COMMAND_TIMEOUT_MS }: BatchHostOptions): BatchHost {
  const error = (kind: BatchErrorKind, detail: string): HqError => new HqError(CODES[kind], { system: title, detail });
  const host: BatchHost = {
    error,
    directory,
    nowMs: Date.now,
    checkRequest: (request) => checkRequest(request, host),
    directiveWord: (text, quoted) => directiveWord(text, host, quoted),
    workerCommand: (worker) => nodeCommand(worker, 'detect'),
    writeScript,
    writeJobId,
    explain: explainStatus,
    run: async (program, args, options = {}) => {
      const { cwd } = options;
      const result = await briefRun(program, args, {
        env: { ...env, ...options.env },
        timeoutMs,
        outputMax: OUTPUT_MAX,
        ...(cwd === undefined ? {} : { cwd }),
      });
      switch (result.kind) {
        case 'exit':
          return { exitCode: result.code, stdout: result.stdout, stderr: result.stderr };
        case 'timeout':
          throw error('timedOut', `${program} did not end within ${timeoutMs / 1_000} s`);
        case 'missing':
          throw error('notInstalled', `${program} is not on PATH`);
        case 'failed':
          throw result.ended ? error('timedOut', `${program}: ${result.why}`) : error('notInstalled', `${program}: ${result.why}`);
      }
    },
  };
  return host;
}

/** @returns the kind of a failure of a batch system; undefined for anything else that was thrown */
export function batchErrorKind(thrown: unknown): BatchErrorKind | undefined {
  if (!(thrown instanceof HqError)) return undefined;
  return (Object.keys(CODES) as BatchErrorKind[]).find((kind) => CODES[kind] === thrown.code);
}
