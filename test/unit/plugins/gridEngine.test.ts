/** The plugin for Grid Engine on recorded answers: what a real one does not show at will, or only after a minute. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { endStatus, readAccounting } from '../../../plugins/batch/gridengine/src/accounting.ts';
import makeGridEngine from '../../../plugins/batch/gridengine/src/index.ts';
import { liveStatus, readDetails, readList } from '../../../plugins/batch/gridengine/src/liveJobs.ts';
import { messageReason } from '../../../plugins/batch/gridengine/src/reasons.ts';
import { makeBatchHost } from '../../../src/server/autoalloc/batchHost.ts';
import type { CommandResult, SubmitRequest } from '../../../src/server/autoalloc/batchSystem.ts';

const recorded = (name: string): string => readFileSync(join('fixtures/gridengine/answers', name), 'utf8');
const said = (stdout: string, stderr = '', exitCode = 0): CommandResult => ({ stdout, stderr, exitCode });
const NO_JOBS = said("<?xml version='1.0'?>\n<job_info>\n  <queue_info>\n  </queue_info>\n  <job_info>\n  </job_info>\n</job_info>\n");

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hq-gridengine-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** A system whose commands give these answers, and whose clock can be set. */
function system(answers: Record<string, CommandResult>) {
  const clock = { nowMs: 1_000_000 };
  const commands: string[] = [];
  const host = {
    ...makeBatchHost({ title: 'Grid Engine', directory: root }),
    nowMs: () => clock.nowMs,
    run: async (program: string, args: readonly string[]) => {
      commands.push([program, ...args].join(' '));
      return answers[program] ?? said('', `no answer for ${program}`, 1);
    },
  };
  return { grid: makeGridEngine(host), clock, commands, answers };
}

function request(): SubmitRequest {
  const worker = { hqPath: '/hq', serverDir: '/s', idleTimeoutMs: 1_000, options: [], onServerLost: 'stop', timeLimitMs: 60_000 };
  const rest = { nodes: 1, timeLimitMs: 60_000, extraArgs: [], held: false };
  return { queueId: 1, number: 1, name: 'hq-1-1', directory: root, comment: 'hq:uid:1:1', worker, ...rest };
}

describe('recorded answers of qstat', () => {
  const details = readDetails(recorded('details.xml'));
  const status = (id: string) => {
    const job = readList(recorded('list.xml'))?.find((listed) => listed.id === id);
    if (job === undefined) throw new Error(`job ${id} is not in the list`);
    return liveStatus(job, details?.get(id) ?? null);
  };

  test('a running job has its start, the end of its time limit, and the comment', () => {
    const startMs = 1_795_659_828_000;
    const common = { rawState: 'r', comment: 'hq:uid:1:1', restarts: 0, reason: null };
    expect(status('2')).toEqual({ ...common, state: 'running', startMs, endMs: startMs + 60_000 });
  });

  test('held and failed starts are told apart from waiting, each with its reason', () => {
    expect(status('3')).toMatchObject({ state: 'queued', hopeless: false, reason: { text: 'it is held; release it with: qrls 3' } });
    expect(status('5')).toMatchObject({
      state: 'queued',
      hopeless: true,
      reason: {
        text: `it could not be started, can't open output file "/proc/none": No such file or directory; let it be tried again with: qmod -cj 5`,
      },
    });
    expect(status('6')).toMatchObject({
      hopeless: false,
      reason: {
        text: 'what it asks for is not free: there is only mem_free=20.895G',
        code: expect.stringContaining('because it offers only'),
      },
    });
  });

  test('a job that only the list knows has a state, and no comment that would make it another one', () => {
    expect(status('11')).toMatchObject({ state: 'queued', rawState: 'hqw', comment: null });
  });

  test.each([
    ['qw', 'queued'],
    ['hqw', 'queued'],
    ['hRwq', 'queued'],
    ['Rq', 'queued'],
    ['Eqw', 'queued'],
    ['Er', 'queued'],
    ['t', 'running'],
    ['r', 'running'],
    ['Rr', 'running'],
    ['Rt', 'running'],
    ['dr', 'running'],
    ['dt', 'running'],
    ['ds', 'running'],
    ['dRr', 'running'],
    ['s', 'suspended'],
    ['S', 'suspended'],
    ['T', 'suspended'],
    ['tS', 'suspended'],
    ['Rs', 'suspended'],
  ])('the state %s is %s', (state, wanted) => {
    expect(liveStatus({ id: '1', state }, null)).toMatchObject({ state: wanted, rawState: state, restarts: state.includes('R') ? 1 : 0 });
  });

  test('what is no answer is not taken for one without jobs', () => {
    for (const text of ['', 'error: commlib', '<html></html>']) expect(readList(text)).toBeUndefined();
    expect(readDetails("<?xml version='1.0'?>\n<unknown_jobs >\n    <ST_name>999</ST_name>\n</unknown_jobs>\n")).toEqual(new Map());
    expect(readDetails('error')).toBeUndefined();
  });

  test('of the messages of the scheduler the most telling one is the reason', () => {
    const full = 'queue instance "all.q@ge1" dropped because it is full';
    const pe = 'cannot run in PE "mpi" because it only offers 2 slots';
    expect(messageReason([full, pe])).toEqual({ code: pe, text: 'its parallel environment mpi offers only 2 slots' });
    expect(messageReason([full])?.text).toBe('all suitable slots are in use');
    expect(messageReason(['something new'])).toEqual({ code: 'something new', text: 'its scheduler gives a reason' });
    expect(messageReason([])).toBeNull();
  });
});

describe('recorded answers of qacct', () => {
  const records = readAccounting(recorded('accounting.txt'));
  const end = (id: string, canceled = false) => {
    const record = records.get(id);
    if (record === undefined) throw new Error(`no record of job ${id}`);
    return endStatus(record, null, canceled);
  };

  test('ends are told apart', () => {
    expect(end('8')).toMatchObject({ outcome: 'finished', exitCode: 0, reason: null });
    expect(end('9')).toMatchObject({ outcome: 'failed', exitCode: 3 });
    expect(end('7')).toMatchObject({ outcome: 'canceled', exitCode: null, reason: { code: 'signal 9' } });
    expect(end('11')).toMatchObject({ outcome: 'timed out', exitCode: null });
    expect(end('11', true)).toMatchObject({ outcome: 'canceled' });
  });

  test.each([
    ['26 : opening output file', 'launch failed'],
    ['1  : assumedly before job', 'launch failed'],
    ['25 : rescheduling', 'node failed'],
    ['15 : in epilog', 'finished'],
    ['18 : shepherd returned error', 'failed'],
  ])('failed %s is %s', (failed, outcome) => {
    const text = `====\njobnumber    1\nend_time     Thu Nov 26 01:55:56 2026\nfailed       ${failed}\nexit_status  0\n`;
    expect([...readAccounting(text).values()].map((record) => endStatus(record, null, false).outcome)).toEqual([outcome]);
  });

  test('a kill at the time limit is the time limit, before it a deletion', () => {
    const record = { ...records.get('7'), startMs: 1_000, timeLimitMs: 60_000 } as Parameters<typeof endStatus>[0];
    expect(endStatus({ ...record, endMs: 61_000 }, null, false).outcome).toBe('timed out');
    expect(endStatus({ ...record, endMs: 60_000 }, null, false).outcome).toBe('canceled');
  });

  test('of a job of several hosts the record of the whole counts, wherever it stands', () => {
    const part = (end: string, exit: number) =>
      `====\njobnumber 4\nstart_time Thu Nov 26 01:55:5${exit} 2026\nend_time Thu Nov 26 01:55:${end} 2026\nfailed 0\nexit_status ${exit}\n`;
    const [whole, other] = [part('57', 0), part('57', 3)];
    for (const text of [whole + other, other + whole, part('55', 2) + whole]) expect(readAccounting(text).get('4')?.exitStatus).toBe(0);
  });
});

describe('a job that is gone from qstat', () => {
  const submitted = async () => {
    const site = system({ qsub: said('7\n'), qstat: NO_JOBS, qacct: said('') });
    expect(await site.grid.submit(request())).toBe('7');
    return { ...site, state: async () => (await site.grid.poll(['7'])).get('7') };
  };

  test('is as it was last seen until its record must have been written, then it was deleted before it ran', async () => {
    const { state, clock } = await submitted();
    expect(await state()).toMatchObject({ state: 'queued', comment: 'hq:uid:1:1' });
    clock.nowMs += 59_000;
    expect(await state()).toMatchObject({ state: 'queued' });
    clock.nowMs += 2_000;
    expect(await state()).toMatchObject({ state: 'vanished' });
  });

  test('has ended at once when qdel says that it has deleted it', async () => {
    const { grid, state, answers, commands } = await submitted();
    answers['qdel'] = said('ada has deleted job 7\n', 'denied: job "8" does not exist\n', 1);
    await grid.cancel(['7', '8']);
    expect(await state()).toMatchObject({ state: 'ended', outcome: 'canceled', startMs: null, comment: 'hq:uid:1:1' });
    expect(commands.filter((command) => command.startsWith('qacct'))).toEqual([]);
  });

  test('is not mistaken for one that had the same id years ago', async () => {
    const { state, clock, answers } = await submitted();
    answers['qacct'] = said(recorded('accounting.txt'));
    expect(await state()).toMatchObject({ state: 'ended' });
    clock.nowMs = Date.parse('2030-01-01');
    const later = system(answers);
    later.clock.nowMs = clock.nowMs;
    await later.grid.submit(request());
    expect((await later.grid.poll(['7'])).get('7')).toMatchObject({ state: 'queued' });
  });

  test('is vanished at once when nothing is known of it', async () => {
    const { grid, commands } = system({ qstat: NO_JOBS, qacct: said('') });
    expect(await grid.poll(['1', '2', '3'])).toEqual(
      new Map(['1', '2', '3'].map((id) => [id, expect.objectContaining({ state: 'vanished' })])),
    );
    // However many are asked for.
    expect(commands.map((command) => command.split(' ')[0])).toEqual(['qstat', 'qacct']);
  });
});

test.each([
  [
    'HQ_E_BATCH_UNREACHABLE',
    'error: commlib error: got select error (Connection refused)\nunable to send message to qmaster using port 6444 on host "ge1": got send error',
  ],
  ['HQ_E_BATCH_TIMEOUT', 'error: failed receiving gdi request response for mid=1 (got syncron message receive timeout error).'],
  ['HQ_E_BATCH_NOT_INSTALLED', 'critical error: Please set the environment variable SGE_ROOT.'],
  ['HQ_E_BATCH_NOT_INSTALLED', 'error: SGE_ROOT directory "/nowhere" doesn\'t exist'],
  ['HQ_E_BATCH_REFUSED', 'Unable to run job: Job was rejected because job requests unknown queue "nope"\nExiting.'],
])('%s: %s', async (code, stderr) => {
  await expect(system({ qsub: said('', stderr, 1) }).grid.submit(request())).rejects.toMatchObject({ code });
});
