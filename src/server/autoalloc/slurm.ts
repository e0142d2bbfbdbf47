/**
 * Slurm as a batch system: sbatch, squeue, sacct and scancel with time-outs. Used by the allocation service. Facts: man pages of these commands and
 * the behaviour of Slurm 22.05.
 */
import { userInfo } from 'node:os';
import { clockTime } from '../../common/clockTime.ts';
import { singleQuoted } from '../../common/shellText.ts';
import type { BatchHost, BatchJobStatus, BatchSystem, CommandResult, SubmitRequest } from './batchSystem.ts';
import { CommandSystem, type DirectiveParts, type SystemWords } from './commandSystem.ts';
import { oneLine, optionValue } from './commandText.ts';
import { vanishedStatus } from './explainStatus.ts';
import { readSacct, readSqueue, SACCT_FORMAT, SQUEUE_FORMAT, slurmStatus, TIME_FORMAT } from './slurmStatus.ts';
import { writeJobId, writeScript } from './submission.ts';
import { doubleQuoted, isPlain, nodeCommand } from './workerScript.ts';

const WORDS: SystemWords = {
  directivePrefix: '#SBATCH',
  noAnswer:
    /socket timed out|zero bytes were transmitted|message receive failure|transport endpoint|connection reset|broken pipe|unexpected message/i,
  notReached:
    /unable to contact slurm controller|unable to establish (control|configuration)|connection refused|connect failure|backup controller in standby|unable to resolve|authentication|munge|temporarily unable/i,
};

export function makeSlurm(host: BatchHost): BatchSystem {
  return new Slurm(host, WORDS);
}

class Slurm extends CommandSystem implements BatchSystem {
  readonly name = 'slurm';
  readonly title = 'Slurm';

  async submit(request: SubmitRequest): Promise<string> {
    const path = writeScript(request.directory, this.script(request));
    const result = await this.host.run('sbatch', ['--parsable', ...this.submitOptions(request), path], { cwd: request.directory });
    if (result.exitCode !== 0) throw this.failure(result);
    // Sites let sbatch print lines of their own.
    const id = result.stdout
      .split('\n')
      .map((line) => /^(\d+)(?:;\S*)?$/.exec(line.trim())?.[1])
      .find((found) => found !== undefined);
    if (id === undefined) throw this.host.error('timedOut', `sbatch printed no job id: ${oneLine(result.stdout + result.stderr)}`);
    writeJobId(request.directory, id);
    return id;
  }

  async find(comments: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const wanted = new Set(comments);
    const found = new Map<string, string>();
    const result = await this.squeue(['--states=all', `--user=${userInfo().uid}`]);
    if (result.exitCode !== 0) throw this.failure(result);
    for (const job of readSqueue(result.stdout)) {
      const { comment, state } = slurmStatus(job);
      if (comment !== null && wanted.has(comment) && state !== 'ended') found.set(comment, job.JobID);
    }
    return found;
  }

  async poll(ids: readonly string[]): Promise<ReadonlyMap<string, BatchJobStatus>> {
    const found = new Map<string, BatchJobStatus>();
    if (ids.length === 0) return found;
    const result = await this.squeue(['--states=all', `--jobs=${ids.join(',')}`]);
    // One id that is unknown is an error, many are not.
    if (result.exitCode !== 0 && !isUnknownId(result)) throw this.failure(result);
    for (const job of readSqueue(result.stdout)) found.set(job.JobID, slurmStatus(job));
    const missing = ids.filter((id) => !found.has(id));
    if (missing.length > 0) for (const [id, status] of await this.finishedLongAgo(missing)) found.set(id, status);
    return found;
  }

  async cancel(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const result = await this.host.run('scancel', [...ids]);
    if (result.exitCode !== 0 && !isUnknownId(result)) throw this.failure(result);
  }

  async estimateStarts(ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const starts = new Map<string, number>();
    if (ids.length === 0) return starts;
    const result = await this.squeue(['--states=PENDING', `--jobs=${ids.join(',')}`]);
    if (result.exitCode !== 0 && !isUnknownId(result)) throw this.failure(result);
    for (const job of readSqueue(result.stdout)) {
      const { state, startMs } = slurmStatus(job);
      if (state === 'queued' && startMs !== null) starts.set(job.JobID, startMs);
    }
    return starts;
  }

  async doubts(request: SubmitRequest): Promise<readonly string[]> {
    const path = writeScript(request.directory, this.script(request));
    const result = await this.host.run('sbatch', ['--test-only', path], { cwd: request.directory });
    if (result.exitCode === 0) return [];
    if (this.kindOf(result) !== 'refused') throw this.failure(result);
    return [oneLine(result.stderr)];
  }

  protected directives({ name, directory, nodes, timeLimitMs }: SubmitRequest, { word, extra }: DirectiveParts): string[] {
    return [
      `--nodes=${nodes}`,
      `--job-name=${word(name)}`,
      `--output=${word(`${filePattern(directory)}/stdout`)}`,
      `--error=${word(`${filePattern(directory)}/stderr`)}`,
      `--time=${clockTime(timeLimitMs)}`,
      ...(extra === undefined ? [] : [extra]),
    ];
  }

  /** srun starts programs, not lists of a shell: with a start or stop command a shell runs on each node. */
  protected command({ nodes, worker }: SubmitRequest): string {
    const text = nodeCommand(worker, 'slurm');
    if (nodes === 1) return text;
    return `srun --overlap --ntasks=${nodes} --nodes=${nodes} ${isPlain(worker) ? text : `bash -c ${singleQuoted(text)}`}`;
  }

  protected quoted(text: string): string {
    return doubleQuoted(text);
  }

  /**
   * On the command line, where it cannot be undone by the user's directives, except for what the user asks for. An allocation that Slurm would start
   * again under the same id is of no use: whether there is still work for it is decided here, its output would be overwritten, and it would wait
   * for the old credential to expire. So it is submitted as not to be requeued, unless the user says `--requeue`.
   */
  private submitOptions({ comment, extraArgs, held }: SubmitRequest): string[] {
    const users = optionValue(extraArgs, '--comment');
    return [
      `--comment=${users === undefined ? comment : `${users} ${comment}`}`,
      ...(extraArgs.includes('--requeue') ? [] : ['--no-requeue']),
      ...(held ? ['--hold'] : []),
    ];
  }

  private squeue(args: readonly string[]): Promise<CommandResult> {
    return this.host.run('squeue', ['--noheader', `--Format=${SQUEUE_FORMAT}`, ...args], { env: TIME_FORMAT });
  }

  /** The controller forgets jobs (MinJobAge, 5 minutes); the accounting does not, where there is one. */
  private async finishedLongAgo(ids: readonly string[]): Promise<ReadonlyMap<string, BatchJobStatus>> {
    const found = new Map<string, BatchJobStatus>(ids.map((id) => [id, vanishedStatus()]));
    const args = ['--noheader', '--parsable2', '--allocations', `--format=${SACCT_FORMAT}`, `--jobs=${ids.join(',')}`];
    try {
      const { exitCode, stdout } = await this.host.run('sacct', args, { env: TIME_FORMAT });
      if (exitCode !== 0) return found;
      for (const job of readSacct(stdout)) {
        const status = slurmStatus(job);
        // The accounting may say that a job runs which the controller does not know: then it does not.
        if (status.state === 'ended') found.set(job.JobID, { ...status, comment: status.comment === '' ? null : status.comment });
      }
    } catch {
      // No sacct, or a database that does not answer: what is known is that the controller does not know them.
    }
    return found;
  }
}

/** sbatch replaces `%j` and the like in names of files. */
function filePattern(path: string): string {
  return path.replaceAll('%', '%%');
}

function isUnknownId({ stderr }: CommandResult): boolean {
  return /invalid job id/i.test(stderr);
}
