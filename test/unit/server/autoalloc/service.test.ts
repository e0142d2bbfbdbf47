/** The allocation service before a batch system that fails in every way: nothing is lost, nothing is submitted twice, queues say what is the matter. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { HandServer } from '../../../helpers/handBatch.ts';

let directory: string;
const servers: HandServer[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hq-autoalloc-'));
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.service.close();
  rmSync(directory, { recursive: true, force: true });
});

function start(o: Partial<ConstructorParameters<typeof HandServer>[0]> = {}): HandServer {
  const server = new HandServer({ serverDir: directory, ...o });
  servers.push(server);
  return server;
}

/** One queue and one task, whose allocation is in the batch system. */
async function withAllocation(params: Parameters<HandServer['addQueue']>[0] = {}): Promise<HandServer> {
  const server = start();
  await server.addQueue(params);
  await server.submit(1);
  await server.until('the allocation', () => statesOf(server)[0] === '1 queued');
  return server;
}

/** One queue and one task, whose submission has timed out. */
async function withTimeOut(acceptsSilently: boolean): Promise<HandServer> {
  const server = start();
  server.batch.failing.set('submit', 'timedOut');
  server.batch.acceptsSilently = acceptsSilently;
  await server.addQueue();
  await server.submit(1);
  await server.until('the time-out', () => server.api.list()[0]?.lastError?.includes('by order') === true);
  server.batch.failing.clear();
  return server;
}

const statesOf = (server: HandServer): string[] => server.api.allocations(1).map(({ id, state }) => `${id} ${state}`);

test('asks for as many allocations as the backlog allows, and for more when they have started', async () => {
  const server = start();
  await server.addQueue({ backlog: 2, maxWorkerCount: 3 });
  await server.submit(10);
  await server.until('two submissions', () => server.batch.jobs.size === 2);
  await server.connect('1');
  await server.connect('2');
  await server.until('a third one', () => server.batch.jobs.size === 3);
  await server.connect('3');
  await server.until('the state of the third', () => server.api.list()[0]?.running === 3);
  expect(statesOf(server)).toEqual(['1 running', '2 running', '3 running']);
  expect(await server.api.explain(1)).toMatchObject({ obstacle: { kind: 'max-workers', workers: 3, most: 3 } });
});

test('a submission that timed out is looked up by its comment before anything is submitted again', async () => {
  const server = await withTimeOut(true);
  await server.api.resume(1);
  await server.until('the adoption', () => server.api.list()[0]?.queued === 1 && statesOf(server)[0] === '1 queued');
  expect(server.batch.callsOf('submit')).toEqual(['submit hq:uid:1:1']);
  expect(server.batch.callsOf('find')).toEqual(['find hq:uid:1:1']);
});

test('a submission that timed out and never arrived is submitted again, as the same allocation', async () => {
  const server = await withTimeOut(false);
  await server.api.resume(1);
  await server.until('the second attempt', () => statesOf(server)[0] === '1 queued');
  expect(server.batch.callsOf('submit')).toEqual(['submit hq:uid:1:1', 'submit hq:uid:1:1']);
});

test('a look-up that is refused leaves open whether the submission arrived: it is neither given up nor repeated', async () => {
  const server = await withTimeOut(true);
  server.batch.failing.set('find', 'refused');
  await server.api.resume(1);
  await server.until('the refusal', () => server.api.list()[0]?.lastError?.includes('refused') === true);
  expect(statesOf(server)).toEqual(['null queued']);
  expect(server.service.book.get(1)?.record.failures).toMatchObject({ submits: 0, allocations: 0 });
  server.batch.failing.clear();
  await server.api.resume(1);
  await server.until('the adoption', () => statesOf(server)[0] === '1 queued');
  expect(server.batch.callsOf('submit')).toEqual(['submit hq:uid:1:1']);
});

test('a controller that is down is nobody’s failure: the allocation is submitted when it is back, and states are kept meanwhile', async () => {
  const server = await withAllocation({ backlog: 2 });
  server.batch.failing.set('poll', 'unreachable').set('submit', 'unreachable');
  await server.submit(1);
  await server.until('the attempt', () => server.batch.callsOf('submit').length === 2);
  const polls = server.batch.callsOf('poll').length;
  await server.until('some polls', () => server.batch.callsOf('poll').length > polls + 2);
  expect(server.api.list()[0]).toMatchObject({ state: 'active', queued: 2, lastError: expect.stringContaining('cannot be reached') });
  expect(server.service.book.get(1)?.record.failures).toMatchObject({ submits: 0, allocations: 0 });
  server.batch.failing.clear();
  await server.api.resume(1);
  await server.until('the second allocation', () => statesOf(server)[1] === '2 queued');
  expect(server.batch.callsOf('find')).toEqual([]);
});

test('refused submissions make the queue rest, and say why', async () => {
  const server = start();
  server.batch.failing.set('submit', 'refused');
  await server.addQueue();
  await server.submit(1);
  await server.until('the refusal', () => server.api.list()[0]?.restsUntilMs !== null);
  expect(server.api.list()[0]).toMatchObject({ state: 'active', queued: 0, lastError: 'Hand refused: by order' });
  expect(await server.api.explain(1)).toMatchObject({ obstacle: { kind: 'resting' }, wantedWorkers: 1 });
  expect(server.batch.callsOf('submit')).toHaveLength(1);
  expect(server.api.allocations(1)).toMatchObject([{ id: null, state: 'failed', detail: 'it was not accepted: Hand refused: by order' }]);
  server.batch.failing.clear();
  await server.api.resume(1);
  await server.until('the next attempt', () => server.api.list()[0]?.queued === 1);
  expect(server.api.list()[0]).toMatchObject({ lastError: null, restsUntilMs: null });
});

test('a trial that cannot be canceled is told with its id: it must not stay behind unnoticed', async () => {
  const server = start();
  await server.addQueue();
  server.batch.failing.set('cancel', 'unreachable');
  // Its directory is kept.
  vi.stubEnv('TMPDIR', directory);
  onTestFinished(() => void vi.unstubAllEnvs());
  const { params } = server.api.list()[0] as { params: Parameters<typeof server.api.trial>[0] };
  await expect(server.api.trial(params)).rejects.toMatchObject({
    code: 'HQ_E_ALLOC_TRIAL',
    message: expect.stringContaining('by order; the trial is still there, held, as 1: cancel it'),
  });
});

test('a worker that stays away for minutes is not expected any more: one more would be of use', async () => {
  let sinceMs = 0;
  const server = start({ now: () => Date.now() + sinceMs });
  await server.addQueue({ maxWorkerCount: 1 });
  await server.submit(1);
  await server.until('the allocation', () => server.batch.jobs.size === 1);
  server.batch.set('1', { state: 'running' });
  await server.until('its start', () => statesOf(server)[0] === '1 running');
  expect(await server.api.explain(1)).toMatchObject({ wantedWorkers: 0 });
  sinceMs = 301_000;
  expect(await server.api.explain(1)).toMatchObject({ wantedWorkers: 1, obstacle: { kind: 'max-workers' } });
});

test('an allocation that somebody cancels counts as a failure of the queue; preemption and lost nodes do not', async () => {
  const server = start({ env: { HQ_AUTOALLOC_MAX_ALLOCATION_FAILS: '1' } });
  await server.addQueue();
  await server.submit(5);
  for (const [id, outcome] of [
    ['1', 'preempted'],
    ['2', 'node failed'],
  ] as const) {
    await server.until(`allocation ${id}`, () => server.batch.jobs.has(id));
    const worker = await server.connect(id);
    server.batch.set(id, { state: 'ended', outcome, exitCode: null });
    await server.until('its worker to be gone', () => server.gone.some(([workerId]) => workerId === worker.id));
    expect(server.gone.at(-1)?.[1]).toBe(outcome === 'preempted' ? 'STOPPED' : 'CONNECTION LOST');
    expect(server.api.list()[0]).toMatchObject({ state: 'active', lastError: null });
  }
  await server.until('a third allocation', () => server.batch.jobs.has('3'));
  server.batch.set('3', { state: 'ended', outcome: 'canceled', exitCode: null });
  await server.until('the pause', () => server.api.list()[0]?.state === 'paused');
  expect(server.api.list()[0]?.pausedReason).toMatch(/^one allocation failed; the last one: allocation 3: it was canceled/);
});

test('a queued allocation for which nothing waits any more is canceled, one that runs is not', async () => {
  const server = start();
  await server.addQueue({ backlog: 2 });
  await server.submit(2);
  await server.until('both', () => server.batch.jobs.size === 2);
  await server.connect('1', 2);
  await server.until('the cancellation', () => statesOf(server)[1] === '2 finished');
  // Perhaps more than once: it is told again as long as a poll still finds it.
  expect(new Set(server.batch.callsOf('cancel'))).toEqual(new Set(['cancel 2']));
  expect(server.api.allocations(1)[1]?.detail).toBe('canceled by the server: nothing waited for it any more');
  expect(statesOf(server)[0]).toBe('1 running');
  expect(server.service.book.get(1)?.record.failures.allocations).toBe(0);
});

test('at the end of its time an allocation takes its workers along, without a crash', async () => {
  const server = await withAllocation();
  const worker = await server.connect('1');
  server.batch.set('1', { state: 'ended', outcome: 'timed out', exitCode: null });
  await server.until('the end', () => server.gone.length > 0);
  expect(server.gone).toEqual([[worker.id, 'TIME LIMIT REACHED']]);
  expect(server.api.list()[0]).toMatchObject({ state: 'active', lastError: null, restsUntilMs: null });
  await server.until('the next allocation', () => server.batch.jobs.size === 2);
});

test('an id that belongs to somebody else now is not ours any more', async () => {
  const server = await withAllocation();
  server.batch.set('1', { state: 'running', comment: 'another' });
  await server.until('its end', () => statesOf(server)[0] === '1 failed');
  expect(server.batch.callsOf('cancel')).toEqual([]);
});

test('one that the batch system starts again under the same id waits again for its workers', async () => {
  const server = await withAllocation({ maxWorkerCount: 1 });
  const worker = await server.connect('1');
  await server.leave(worker, 'CONNECTION LOST');
  server.batch.set('1', { state: 'queued', hopeless: false, restarts: 1 });
  await server.until('the restart', () => server.api.allocations(1)[0]?.restarts === 1);
  expect(statesOf(server)).toEqual(['1 queued']);
  await server.connect('1');
  await server.until('its worker', () => statesOf(server)[0] === '1 running');
});

test('one that would never start is given up, as a failure', async () => {
  const server = await withAllocation();
  server.batch.set('1', {
    state: 'queued',
    hopeless: true,
    reason: { code: 'PartitionTimeLimit', text: 'it asks for more time than the partition allows' },
  });
  await server.until('the sentence', () => server.api.allocations(1)[0]?.detail?.includes('more time than') === true);
  expect(server.service.book.allocation(1, 1)?.record.hopelessSinceMs).not.toBeNull();
});

test('the next server adopts what is in the batch system, and submits what never got there', async () => {
  const first = start();
  await first.addQueue({ backlog: 2 });
  await first.submit(2);
  await first.until('both', () => first.batch.jobs.size === 2);
  // The second one was written down, but its submission was not heard of any more.
  const { allocations, ...rest } = first.restored();
  const unsure = allocations.map((one) => (one.number === 2 ? { ...one, phase: 'submitting' as const, batchId: null } : one));
  const lost = { ...(unsure[1] as (typeof unsure)[number]), number: 3, comment: 'hq:uid:1:3' };
  await first.service.close();
  const next = start({ batch: first.batch, restored: { ...rest, allocations: [...unsure, lost] } });
  const before = first.batch.callsOf('submit').length;
  await next.submit(5);
  next.service.start();
  await next.until('the adoption', () => statesOf(next).every((state) => state.endsWith('queued') && !state.startsWith('null')));
  expect(statesOf(next).slice(0, 2)).toEqual(['1 queued', '2 queued']);
  expect(first.batch.callsOf('submit').slice(before)).toEqual(['submit hq:uid:1:3']);
});

test('a worker that connects before its submission has answered belongs to its allocation all the same', async () => {
  const server = await withTimeOut(true);
  await server.connect('1');
  await server.api.resume(1);
  await server.until('the worker to be known', () => server.api.allocations(1)[0]?.connectedWorkers === 1);
});

test('a draining worker gives its node back when its last task has ended', async () => {
  const server = await withAllocation();
  const worker = await server.connect('1');
  await server.api.remove(1, { running: 'drain' });
  await server.until('it to drain', () => server.core.workers.get(worker.id)?.draining === true);
  const polls = server.batch.callsOf('poll').length;
  await server.until('some polls', () => server.batch.callsOf('poll').length > polls + 2);
  expect(server.stopped).toEqual([]);
  await server.finish(worker);
  await server.until('it to be stopped', () => server.stopped.includes(worker.id));
  expect(server.api.list()).toMatchObject([{ state: 'draining' }]);
  server.batch.set('1', { state: 'ended', outcome: 'finished', exitCode: 0 });
  await server.until('the queue to be gone', () => server.api.list().length === 0);
});

test('a stopping server cancels everything, and keeps its queues', async () => {
  const server = start();
  await server.addQueue({ backlog: 2 });
  await server.submit(2);
  await server.until('both', () => server.batch.jobs.size === 2);
  await server.connect('1');
  await server.service.cancelQueued();
  await server.service.cancelAndClose();
  expect([...server.batch.jobs.values()].map(({ status }) => status.state)).toEqual(['ended', 'ended']);
  expect(server.restored().queues).toMatchObject([{ id: 1, state: 'active' }]);
  expect(server.restored().allocations.map(({ phase, cancel }) => [phase, cancel])).toEqual([
    ['ended', 'server-stop'],
    ['ended', 'server-stop'],
  ]);
});
