/**
 * The environment of a task: that of the worker, what the user added, and the HQ variables that tell the task who it is and what it got. What
 * tasks share is put together once.
 */
import { formatEntry } from '../../common/requestText.ts';
import type { WireBody } from '../../protocol/messages/worker.ts';
import { UNITS_PER_WHOLE } from '../../protocol/schema/resources.ts';
import type { HeldTask } from '../heldTask.ts';
import type { AllocatedEntry, ResolvedEntry, ResourcePool } from '../resources/pool.ts';
import type { TaskEnvironment } from './launcher.ts';

type Variables = Record<string, string>;

/** Variables through which GPU libraries learn which devices they may use, by the worker's resource name. */
const DEVICE_VARIABLES: Readonly<Record<string, Readonly<Record<string, '<labels>' | string>>>> = {
  // What the vendor is, is unknown; AMD's runtime understands this variable too.
  gpus: { CUDA_VISIBLE_DEVICES: '<labels>', CUDA_DEVICE_ORDER: 'PCI_BUS_ID' },
  'gpus/nvidia': { CUDA_VISIBLE_DEVICES: '<labels>', CUDA_DEVICE_ORDER: 'PCI_BUS_ID' },
  'gpus/amd': { ROCR_VISIBLE_DEVICES: '<labels>' },
};

/** Variables of one entry of a request, and the text of the request. */
interface EntryNames {
  readonly request: string;
  readonly values: string;
  readonly text: string;
}

export class EnvironmentMaker {
  private readonly base: Variables;
  private readonly pool: ResourcePool;
  private readonly ofEntry = new WeakMap<ResolvedEntry, EntryNames>();

  /**
   * @param env environment of the worker
   * @param hqPath absolute path of the `hq` executable, for tasks that submit tasks
   */
  constructor(o: { env: Readonly<Record<string, string | undefined>>; hqPath: string; pool: ResourcePool }) {
    this.base = {};
    for (const [name, value] of Object.entries(o.env)) if (value !== undefined) this.base[name] = value;
    this.base.HQ = o.hqPath;
    this.pool = o.pool;
  }

  /** @returns all variables of a started task; those of the worker are shared by all tasks */
  make(task: HeldTask): TaskEnvironment {
    const { body } = task;
    const env: Variables = { ...body.env, HQ: this.base.HQ as string, HQ_SUBMIT_DIR: body.submitDir };
    env.HQ_JOB_ID = String(task.job);
    env.HQ_TASK_ID = String(task.task);
    env.HQ_INSTANCE_ID = String(task.instance);
    if (task.entry !== null) env.HQ_ENTRY = task.entry;
    if (body.request.length > 1) env.HQ_RESOURCE_VARIANT = String(task.variant);
    for (const entry of task.allocation?.entries ?? []) this.addResource(env, body, entry);
    return { shared: this.base, own: env };
  }

  private namesOf(entry: ResolvedEntry): EntryNames {
    let names = this.ofEntry.get(entry);
    if (names === undefined) {
      const variable = entry.name.replace(/[^A-Za-z0-9]/g, '_');
      names = { request: `HQ_RESOURCE_REQUEST_${variable}`, values: `HQ_RESOURCE_VALUES_${variable}`, text: formatEntry(entry.asked) };
      this.ofEntry.set(entry, names);
    }
    return names;
  }

  private addResource(env: Variables, body: WireBody, allocated: AllocatedEntry): void {
    const { entry, units, indices } = allocated;
    const names = this.namesOf(entry);
    env[names.request] = names.text;
    if (indices === undefined) return;
    const labels = this.pool.labels(allocated).join(',');
    env[names.values] = labels;
    if (entry.name === 'cpus') {
      env.HQ_CPUS = labels;
      if (units % UNITS_PER_WHOLE === 0 && body.env.OMP_NUM_THREADS === undefined) env.OMP_NUM_THREADS = String(units / UNITS_PER_WHOLE);
    }
    for (const [name, value] of Object.entries(DEVICE_VARIABLES[this.pool.nameOf(entry.resource)] ?? {}))
      env[name] = value === '<labels>' ? labels : value;
  }
}
