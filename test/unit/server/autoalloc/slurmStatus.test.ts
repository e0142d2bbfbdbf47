import { describe, expect, test } from 'vitest';
import { explainStatus } from '../../../../src/server/autoalloc/explainStatus.ts';
import { reasonText } from '../../../../src/server/autoalloc/slurmReasons.ts';
import { readSacct, readSqueue, SQUEUE_FORMAT, slurmStatus } from '../../../../src/server/autoalloc/slurmStatus.ts';

const COMMENT = 'hq:abc:1:1';

/** A line as squeue prints it: each column as wide as it was asked for. */
function line(fields: Readonly<Record<string, string>>): string {
  const columns = SQUEUE_FORMAT.split(',').map((column) => column.split(':') as [string, string]);
  return columns.map(([name, width]) => (fields[name] ?? '').padEnd(Number(width))).join('');
}

const job = {
  JobID: '7',
  Reason: 'None',
  StartTime: '1000',
  EndTime: '1060',
  RestartCnt: '0',
  exit_code: '0',
  NodeList: 'n1',
  Comment: COMMENT,
};

function statusOf(fields: Readonly<Record<string, string>>) {
  const [read] = readSqueue(`${line({ ...job, ...fields })}\n`);
  if (read === undefined) throw new Error('no job in the line');
  return slurmStatus(read);
}

describe('states of Slurm', () => {
  test.each([
    ['PENDING', 'queued'],
    ['REQUEUED', 'queued'],
    ['REQUEUE_HOLD', 'queued'],
    ['SPECIAL_EXIT', 'queued'],
    ['RESV_DEL_HOLD', 'queued'],
    ['CONFIGURING', 'running'],
    ['RUNNING', 'running'],
    ['COMPLETING', 'running'],
    ['STAGE_OUT', 'running'],
    ['RESIZING', 'running'],
    ['SIGNALING', 'running'],
    ['SUSPENDED', 'suspended'],
    ['STOPPED', 'suspended'],
    ['WORD_OF_A_LATER_SLURM', 'queued'],
  ])('%s is %s', (State, state) => {
    expect(statusOf({ State })).toMatchObject({ state, rawState: State, comment: COMMENT, startMs: 1_000_000 });
  });

  test.each([
    ['COMPLETED', 'finished'],
    ['FAILED', 'failed'],
    ['TIMEOUT', 'timed out'],
    ['CANCELLED', 'canceled'],
    ['DEADLINE', 'canceled'],
    ['REVOKED', 'canceled'],
    ['PREEMPTED', 'preempted'],
    ['NODE_FAIL', 'node failed'],
    ['OUT_OF_MEMORY', 'out of memory'],
    ['BOOT_FAIL', 'boot failed'],
    ['LAUNCH_FAILED', 'launch failed'],
  ])('%s has ended: %s', (State, outcome) => {
    expect(statusOf({ State })).toMatchObject({ state: 'ended', outcome, startMs: 1_000_000, endMs: 1_060_000 });
  });

  test('a job that was canceled before it ran has no start, although Slurm gives a time', () => {
    expect(statusOf({ State: 'CANCELLED', NodeList: '' })).toMatchObject({ state: 'ended', startMs: null });
  });

  test('exit codes come as wait(2) has them, or apart; a signal is none', () => {
    const code = (exit_code: string) => (statusOf({ State: 'FAILED', exit_code }) as { exitCode: number | null }).exitCode;
    expect(['768', '9', '3:0', '0:9', '', '0'].map(code)).toEqual([3, null, 3, null, 0, 0]);
  });

  test("the user's own comment may stand before ours; a job without ours is somebody else's", () => {
    expect(statusOf({ State: 'RUNNING', Comment: `for the site ${COMMENT}` }).comment).toBe(COMMENT);
    expect(statusOf({ State: 'RUNNING', Comment: '(null)' }).comment).toBe('');
    expect(statusOf({ State: 'RUNNING', Comment: `${COMMENT} and more` }).comment).toBe(`${COMMENT} and more`);
  });

  test('lines of the accounting are read, with bars in the comment', () => {
    const text = `7|CANCELLED by 1001|1000|1060|0:15|None|n1|a|b ${COMMENT}\n8|COMPLETED|1000|1060|0:0|None|n1|\n`;
    expect(readSacct(text).map(slurmStatus)).toMatchObject([
      { state: 'ended', outcome: 'canceled', rawState: 'CANCELLED', exitCode: null, comment: COMMENT },
      { state: 'ended', outcome: 'finished', exitCode: 0, comment: '' },
    ]);
  });
});

describe('reasons of Slurm', () => {
  test('are sentences, also those that are put together from parts, and unknown ones are quoted', () => {
    const words = [
      'Resources',
      '(Priority)',
      'ReqNodeNotAvail, UnavailableNodes:n[1-2]',
      'QOSMaxCpuPerUserLimit',
      'AssocGrpNodeLimit',
      'QOSGrpCPUMinutesLimit',
      'AssocMaxJobsLimit',
      'QOSMaxGRESPerUser',
      'SomethingNew',
    ];
    expect(words.map(reasonText)).toMatchInlineSnapshot(`
      [
        "all suitable nodes are in use; it is next when some become free",
        "jobs of higher priority are before it",
        "nodes that it needs are down, drained or reserved",
        "the limit of its QOS on CPUs per user is reached",
        "the limit of its account or association on nodes is reached",
        "the limit of its QOS on CPU minutes is reached",
        "the limit of its account or association on running jobs is reached",
        "the limit of its QOS on GPUs and other generic resources per user is reached",
        "Slurm gives the reason SomethingNew",
      ]
    `);
  });

  test('make the sentence about a job', () => {
    const explain = (fields: Readonly<Record<string, string>>) => explainStatus('Slurm', statusOf(fields));
    expect([
      explain({ State: 'PENDING', Reason: 'Priority' }),
      explain({ State: 'PENDING', Reason: 'PartitionNodeLimit' }),
      explain({ State: 'PENDING' }),
      explain({ State: 'FAILED', Reason: 'NonZeroExitCode', exit_code: '256' }),
      explain({ State: 'FAILED', Reason: 'JobLaunchFailure', exit_code: '9' }),
      explain({ State: 'TIMEOUT', Reason: 'TimeLimit' }),
      explain({ State: 'COMPLETED' }),
    ]).toMatchInlineSnapshot(`
      [
        "Slurm keeps it waiting: jobs of higher priority are before it (Priority)",
        "Slurm will not start it as things are: it asks for more nodes than its partition has or allows (PartitionNodeLimit)",
        "Slurm keeps it waiting",
        "it has failed, exit code 1: its script ended with an error (NonZeroExitCode)",
        "it could not be launched: its script was killed before it ran, or its output file could not be written (JobLaunchFailure)",
        "it ran until its time limit (TimeLimit)",
        "it has ended in order",
      ]
    `);
  });
});
