/** What batch systems have in common that are asked by commands. Base of the Slurm and the PBS adapter. */
import type { BatchErrorKind, BatchHost, BatchJobStatus, CommandResult } from './batchSystem.ts';
import { oneLine } from './commandText.ts';
import { explainStatus } from './explainStatus.ts';

/** One command for all allocations; sites ask users not to do that much more often. */
const POLL_INTERVAL_MS = 15_000;

/** How the commands say on stderr that it is not the request that is wrong. */
export interface FailureWords {
  /** The server got the request, perhaps, and its answer did not come: what it did is unknown. */
  readonly noAnswer: RegExp;
  /** The request did not get to a server. */
  readonly notReached: RegExp;
}

export abstract class CommandSystem {
  abstract readonly title: string;
  readonly pollIntervalMs: number = POLL_INTERVAL_MS;
  protected readonly host: BatchHost;
  private readonly words: FailureWords;

  constructor(host: BatchHost, words: FailureWords) {
    this.host = host;
    this.words = words;
  }

  explain(status: BatchJobStatus): string {
    return explainStatus(this.title, status);
  }

  /** @returns what a command that ended with an error means */
  protected failure(result: CommandResult): Error {
    return this.host.error(this.kindOf(result), oneLine(result.stderr) || `exit code ${result.exitCode}`);
  }

  protected kindOf({ stderr }: CommandResult): BatchErrorKind {
    if (this.words.noAnswer.test(stderr)) return 'timedOut';
    return this.words.notReached.test(stderr) ? 'unreachable' : 'refused';
  }
}
