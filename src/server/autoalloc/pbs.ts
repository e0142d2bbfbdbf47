/**
 * PBS (OpenPBS, PBS Professional) as a batch system: qsub, qstat, qselect and qdel with time-outs. Used by the allocation service. Facts: PBS
 * Professional Reference Guide and the behaviour of OpenPBS 23.06.
 */
import { userInfo } from 'node:os';
import { clockTime } from '../../common/clockTime.ts';
import { singleQuoted } from '../../common/shellText.ts';
import type { BatchHost, BatchJobStatus, BatchSystem, SubmitRequest } from './batchSystem.ts';
import { CommandSystem, type DirectiveParts, type SystemWords } from './commandSystem.ts';
import { oneLine, optionValue } from './commandText.ts';
import { vanishedStatus } from './explainStatus.ts';
import { COMMENT_VARIABLE, readQstat } from './pbsStatus.ts';
import { writeJobId, writeScript } from './submission.ts';
import { nodeCommand } from './workerScript.ts';

const WORDS: SystemWords = {
  directivePrefix: '#PBS',
  noAnswer: /communication failure|end of file|premature end|timed? ?out waiting|connection reset|broken pipe/i,
  notReached: /cannot connect|connection (?:refused|timed out)|unknown host|no such host|munge|authentication|server is (?:busy|down)/i,
};

/** Of a job that is gone: 15001 and 15139 of the protocol, modulo 256 as exit codes. */
const EXIT_UNKNOWN = 153;
const EXIT_FINISHED = 35;

class Pbs extends CommandSystem implements BatchSystem {
  readonly name = 'pbs';
  readonly title = 'PBS';

  async submit(request: SubmitRequest): Promise<string> {
    const path = writeScript(request.directory, this.script(request));
    const result = await this.host.run('qsub', [...submitOptions(request), path], { cwd: request.directory });
    if (result.exitCode !== 0) throw this.failure(result);
    // Hooks of a site may print lines before it.
    const id = result.stdout.trim().split('\n').at(-1)?.trim() ?? '';
    if (!/^\d+\S*$/.test(id)) throw this.host.error('timedOut', `qsub printed no job id: ${oneLine(result.stdout + result.stderr)}`);
    writeJobId(request.directory, id);
    return id;
  }

  async find(comments: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const selected = await this.host.run('qselect', ['-u', userInfo().username]);
    if (selected.exitCode !== 0) throw this.failure(selected);
    const wanted = new Set(comments);
    const found = new Map<string, string>();
    for (const [id, { comment, state }] of await this.qstat(
      selected.stdout
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== ''),
    )) {
      if (comment !== null && wanted.has(comment) && state !== 'ended') found.set(comment, id);
    }
    return found;
  }

  async poll(ids: readonly string[]): Promise<ReadonlyMap<string, BatchJobStatus>> {
    const known = await this.qstat(ids);
    return new Map(ids.map((id) => [id, known.get(id) ?? vanishedStatus()]));
  }

  async cancel(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const result = await this.host.run('qdel', [...ids]);
    const complaints = result.stderr.split('\n').filter((line) => line.trim() !== '');
    const gone = /unknown job|has finished|request invalid for state/i;
    if (result.exitCode !== 0 && !complaints.every((line) => gone.test(line))) throw this.failure(result);
  }

  /** The scheduler writes its estimates into the status. */
  async estimateStarts(ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const starts = new Map<string, number>();
    for (const [id, { state, startMs }] of await this.qstat(ids)) if (state === 'queued' && startMs !== null) starts.set(id, startMs);
    return starts;
  }

  protected directives({ name, directory, nodes, timeLimitMs, held }: SubmitRequest, { word, extra }: DirectiveParts): string[] {
    if (directory.includes(':'))
      throw this.host.error('refused', `a path must not contain a colon, which PBS takes for the end of a host name: ${directory}`);
    return [
      `-l select=${nodes}`,
      // Without it PBS puts several chunks on one node, and two workers would share it.
      ...(nodes > 1 && !/(?:^|[ ,])place=/.test(extra ?? '') ? ['-l place=scatter'] : []),
      `-N ${word(name)}`,
      `-o ${word(`${directory}/stdout`)}`,
      `-e ${word(`${directory}/stderr`)}`,
      `-l walltime=${clockTime(timeLimitMs)}`,
      ...(extra === undefined ? [] : [extra]),
      ...(held ? ['-h'] : []),
    ];
  }

  protected command({ nodes, worker }: SubmitRequest): string {
    const text = nodeCommand(worker, 'pbs');
    return nodes === 1 ? text : `pbsdsh -- bash -l -c ${singleQuoted(text)}`;
  }

  /** @returns those that PBS knows */
  private async qstat(ids: readonly string[]): Promise<ReadonlyMap<string, BatchJobStatus>> {
    if (ids.length === 0) return new Map();
    const result = await this.host.run('qstat', ['-f', '-F', 'json', '-x', ...ids]);
    // Ids that are unknown are an error; the answer tells about the others.
    if (![0, EXIT_UNKNOWN, EXIT_FINISHED].includes(result.exitCode)) throw this.failure(result);
    const jobs = readQstat(result.stdout);
    if (jobs === undefined)
      throw this.host.error('unreachable', `qstat printed no JSON: ${oneLine(result.stdout + result.stderr).slice(0, 200)}`);
    return jobs;
  }

  /** In a directive; PBS knows both kinds of quotes, and nothing that would take their meaning away. */
  protected quoted(text: string): string {
    if (!text.includes('"')) return `"${text}"`;
    if (!text.includes("'")) return `'${text}'`;
    throw this.host.error('refused', `PBS cannot take an argument with both kinds of quotes: ${text}`);
  }
}

export function makePbs(host: BatchHost): BatchSystem {
  return new Pbs(host, WORDS);
}

/**
 * On the command line, which goes before directives. Not to be run again under the same id: whether there is still work for it is decided here;
 * unless the user says `-r`.
 */
function submitOptions({ comment, extraArgs }: SubmitRequest): string[] {
  const variables = [optionValue(extraArgs, '-v'), `${COMMENT_VARIABLE}=${comment}`];
  return [
    '-v',
    variables.filter((part) => part !== undefined).join(','),
    ...(optionValue(extraArgs, '-r') === undefined ? ['-r', 'n'] : []),
  ];
}
