/** What must hold when a worker returns, or reports what the server did not expect. */
import { expect, test } from 'vitest';
import { UPDATE_CANCELED, UPDATE_STARTED } from '../../../src/protocol/messages/worker.ts';
import { CoreSim, type SimWorker, traits } from '../../helpers/coreSim.ts';

function running(worker: SimWorker): string[] {
  return worker.tasks.filter((task) => task.running).map((task) => task.key);
}

test('a task that was asked back over a connection that broke is asked back again', () => {
  const sim = new CoreSim();
  const first = sim.addWorker({ cpus: 1 });
  sim.openJob(1);
  sim.submit(1, '0-1');
  sim.receive(first);
  sim.report(first);
  const second = sim.addWorker({ cpus: 1 });
  expect(sim.core.workers.get(first.id)?.retracting).toBe(1);
  sim.disconnect(first);
  sim.reconnect(first);
  sim.receive(first);
  sim.report(first);
  sim.receive(second);
  expect(running(second)).toEqual(['1.1.0']);
});

test('a task that its worker killed for a server that forgot the cancel runs again as the next instance', () => {
  const sim = new CoreSim();
  const worker = sim.addWorker({ cpus: 1 });
  sim.openJob(1);
  sim.submit(1, '0');
  sim.receive(worker);
  sim.report(worker);
  worker.tasks.length = 0;
  worker.outgoing.push([UPDATE_CANCELED, 1, 0, 0, sim.nowMs]);
  sim.report(worker);
  sim.drain();
  expect(sim.starts).toEqual(['1.0.0', '1.0.1']);
});

test('what a worker has reserved follows the variant with which it really started', () => {
  const sim = new CoreSim();
  const worker = sim.addWorker({ cpus: 4, gpus: 1 });
  const variant = (name: string, units: number) => ({
    nodes: 0,
    minTimeMs: 0,
    weight: 10_000,
    entries: [{ name, policy: 'compact' as const, units }],
  });
  sim.openJob(1);
  sim.submit(1, '0', { traits: traits({ request: { variants: [variant('gpus', 10_000), variant('cpus', 40_000)] } }) });
  worker.outgoing.push([UPDATE_STARTED, 1, 0, 0, sim.nowMs, 1]);
  sim.report(worker);
  const { free = [] } = sim.core.workers.get(worker.id) ?? {};
  expect(free[sim.core.names.idOf('cpus')]).toBe(0);
  expect(free[sim.core.names.idOf('gpus')]).toBe(10_000);
  expect(sim.changes.at(-1)).toMatchObject({ kind: 'started', variant: 1 });
});
