/** What batch systems have in common that are asked by commands. Base of the Slurm and the PBS adapter. */
import type { BatchErrorKind, BatchHost, BatchJobStatus, CommandResult, SubmitRequest } from './batchSystem.ts';
import { oneLine } from './commandText.ts';
import { explainStatus } from './explainStatus.ts';
import { checkRequest, directiveText, directiveWord } from './workerScript.ts';

/** One command for all allocations; sites ask users not to do that much more often. */
const POLL_INTERVAL_MS = 15_000;

/** How one speaks with the batch system: in front of directives, and what its commands say when it is not the request that is wrong. */
export interface SystemWords {
  /** `#SBATCH` */
  readonly directivePrefix: string;
  /** The server got the request, perhaps, and its answer did not come: what it did is unknown. */
  readonly noAnswer: RegExp;
  /** The request did not get to a server. */
  readonly notReached: RegExp;
}

/** What a script says to the batch system, in its form. */
export interface DirectiveParts {
  /** @returns the text as one word of a directive. @throws the host's `refused` */
  word(text: string): string;
  /** The user's arguments; undefined when there are none. */
  readonly extra: string | undefined;
}

export abstract class CommandSystem {
  abstract readonly title: string;
  readonly pollIntervalMs: number = POLL_INTERVAL_MS;
  protected readonly host: BatchHost;
  private readonly words: SystemWords;

  constructor(host: BatchHost, words: SystemWords) {
    this.host = host;
    this.words = words;
  }

  script(request: SubmitRequest): string {
    const { host } = this;
    checkRequest(request, host);
    const quoted = (text: string): string => this.quoted(text);
    const extra = directiveText(request.extraArgs, host, quoted);
    const lines = this.directives(request, { extra, word: (text) => directiveWord(text, host, quoted) });
    return ['#!/bin/bash', ...lines.map((line) => `${this.words.directivePrefix} ${line}`), '', this.command(request)].join('\n');
  }

  explain(status: BatchJobStatus): string {
    return explainStatus(this.title, status);
  }

  /** @returns the directives in their order, without the prefix. @throws the host's `refused` */
  protected abstract directives(request: SubmitRequest, parts: DirectiveParts): readonly string[];

  /** @returns the shell text that starts a worker on each node */
  protected abstract command(request: SubmitRequest): string;

  /** @returns a word with blanks or quotes as a directive has it. @throws the host's `refused` */
  protected abstract quoted(text: string): string;

  /** @returns what a command that ended with an error means */
  protected failure(result: CommandResult): Error {
    return this.host.error(this.kindOf(result), oneLine(result.stderr) || `exit code ${result.exitCode}`);
  }

  protected kindOf({ stderr }: CommandResult): BatchErrorKind {
    if (this.words.noAnswer.test(stderr)) return 'timedOut';
    return this.words.notReached.test(stderr) ? 'unreachable' : 'refused';
  }
}
