/** `hq worker stop|list|info|wait|hwdetect|address` */
import { HqError } from '../../protocol/errors.ts';
import type { WorkerInfo } from '../../protocol/schema/worker.ts';
import type { Context } from '../context.ts';
import { parseSelector, reportMissing, select } from '../selectors.ts';

/** The selected workers; unknown ids are reported. */
async function selected(context: Context, text: string, all: boolean): Promise<WorkerInfo[]> {
  const selector = parseSelector(text);
  const workers = await (await context.client()).listWorkers({ all });
  const known = workers.map((worker) => worker.id);
  const found = select(selector, known, 'worker');
  reportMissing(context, found, (worker) => new HqError('HQ_E_WORKER_NOT_FOUND', { worker }));
  const wanted = new Set(found.ids);
  return workers.filter((worker) => wanted.has(worker.id));
}

export async function runList(context: Context, _args: [], options: { all?: boolean; filter?: 'running' | 'offline' }): Promise<undefined> {
  const workers = await (await context.client()).listWorkers({ all: options.all === true || options.filter === 'offline' });
  context.output.workers(options.filter === 'offline' ? workers.filter((worker) => worker.state === 'offline') : workers);
}

export async function runInfo(context: Context, [selector]: [string]): Promise<undefined> {
  const workers = await selected(context, selector, true);
  if (workers.length > 0) context.output.workerInfos(workers);
}

export async function runStop(context: Context, [selector]: [string]): Promise<undefined> {
  const client = await context.client();
  for (const worker of await selected(context, selector, false)) {
    await client.stopWorker(worker.id);
    context.output.done(`Worker ${worker.id} stopped`);
  }
}

/** Waits on the event stream, so that nothing is asked again and again. */
export async function runWait(context: Context, [count]: [number]): Promise<undefined> {
  const client = await context.client();
  const events = client.events({ types: ['worker-connected', 'worker-reconnected'], signal: context.io.signal });
  try {
    await events.ready();
    if ((await client.listWorkers()).length >= count) return;
    for await (const _batch of events) if ((await client.listWorkers()).length >= count) return;
  } finally {
    await events.return();
  }
}

export async function runHwdetect(context: Context, _args: [], { hyperThreading }: { hyperThreading: boolean }): Promise<undefined> {
  const { detectHardware } = await import('../../worker/hardware.ts');
  context.output.hardware(detectHardware({ env: context.io.env, hyperThreading, warn: (line) => context.warn(line) }));
}

/** The host name in every output mode, for scripts. */
export async function runAddress(context: Context, [id]: [number]): Promise<undefined> {
  const worker = await (await context.client()).workerInfo(id);
  await context.raw(`${worker.configuration.hostname}\n`);
}
