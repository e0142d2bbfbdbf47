/**
 * The environment of a task: that of the worker, what the user added, and the HQ variables that tell the task who it is and what it got. What
 * tasks share is put together once.
 */
import { formatAmount } from '../../common/amount.ts';
import { formatEntry } from '../../common/requestText.ts';
import type { WireBody } from '../../protocol/messages/worker.ts';
import { UNITS_PER_WHOLE } from '../../protocol/schema/resources.ts';
import type { AllocatedEntry, ResolvedEntry, ResourcePool } from '../../resources/pool.ts';
import type { HeldTask } from '../heldTask.ts';
import type { QueueClass } from '../taskQueue.ts';
import type { Lane, TaskEnvironment } from './launcher.ts';
import type { TaskDirectory } from './taskDirectory.ts';

type Variables = Record<string, string>;

/** Variables through which GPU libraries learn which devices they may use, by the worker's resource name. */
const DEVICE_VARIABLES: Readonly<Record<string, Readonly<Record<string, '<labels>' | string>>>> = {
  // What the vendor is, is unknown; AMD's runtime understands this variable too.
  gpus: { CUDA_VISIBLE_DEVICES: '<labels>', CUDA_DEVICE_ORDER: 'PCI_BUS_ID' },
  'gpus/nvidia': { CUDA_VISIBLE_DEVICES: '<labels>', CUDA_DEVICE_ORDER: 'PCI_BUS_ID' },
  'gpus/amd': { ROCR_VISIBLE_DEVICES: '<labels>' },
};

/** What tells who a task is and what it holds. A worker that runs inside a task of another server must not hand it on. */
const OF_A_TASK =
  /^HQ_(?:JOB_ID|TASK_ID|INSTANCE_ID|ENTRY|CPUS|PIN|RESOURCE_.*|TASK_DIR|ERROR_FILENAME|ACCESS_KEY|NUM_NODES|NODE_FILE|HOST_FILE)$/;

const NOTHING: Variables = {};

/** Variables of one entry of a request, and the text of the request. */
interface EntryNames {
  readonly request: string;
  readonly values: string;
  readonly amount: string;
  readonly text: string;
}

export class EnvironmentMaker {
  private readonly base: Variables;
  private readonly pool: ResourcePool;
  private readonly ofEntry = new WeakMap<ResolvedEntry, EntryNames>();
  /** What tasks of one body and class have in common. `claimsOwn`: the user has set some that each task has of its own. */
  private readonly ofBody = new WeakMap<
    WireBody,
    { readonly queueClass: QueueClass; readonly vars: Variables; readonly claimsOwn: boolean }
  >();

  /**
   * @param env environment of the worker
   * @param hqPath absolute path of the `hq` executable, for tasks that submit tasks
   * @param accessKey for `hq task notify`; null where the worker has no socket for it
   */
  constructor(o: { env: Readonly<Record<string, string | undefined>>; hqPath: string; accessKey: string | null; pool: ResourcePool }) {
    this.base = {};
    for (const [name, value] of Object.entries(o.env)) if (value !== undefined && !OF_A_TASK.test(name)) this.base[name] = value;
    this.base.HQ = o.hqPath;
    if (o.accessKey !== null) this.base.HQ_ACCESS_KEY = o.accessKey;
    this.pool = o.pool;
  }

  /**
   * @param directory the task's own, if it has one
   * @returns all variables of a task but those of its lane; those of the worker are shared by all tasks
   */
  make(task: HeldTask, directory: TaskDirectory | null): TaskEnvironment {
    const own: Variables = { HQ_JOB_ID: String(task.job), HQ_TASK_ID: String(task.task), HQ_INSTANCE_ID: String(task.instance) };
    if (task.entry !== null) own.HQ_ENTRY = task.entry;
    if (task.body.request.length > 1) own.HQ_RESOURCE_VARIANT = String(task.variant);
    if (directory !== null) Object.assign(own, directory.vars);
    const { vars, claimsOwn } = this.ofAll(task);
    return claimsOwn ? { shared: this.base, common: NOTHING, own: { ...vars, ...own } } : { shared: this.base, common: vars, own };
  }

  /** @returns what a task holds, so that the next of its class can take it over */
  lane({ queueClass, allocation }: HeldTask): Lane {
    const vars: Variables = {};
    for (const entry of allocation?.entries ?? []) this.addResource(vars, entry);
    const cpus = queueClass.pin === undefined ? undefined : allocation?.entries.find(({ entry }) => entry.name === 'cpus');
    if (cpus === undefined) return { group: queueClass.id, vars, cpus: null };
    const labels = this.pool.labels(cpus);
    if (queueClass.pin === 'taskset') return { group: queueClass.id, vars, cpus: labels.map(Number) };
    // The user's own values win, as everywhere in a lane.
    vars.OMP_PROC_BIND = 'close';
    vars.OMP_PLACES = `{${labels.join(',')}}`;
    return { group: queueClass.id, vars, cpus: null };
  }

  /** The user's variables, but for names that tell what the task holds: those come with the lane. */
  private ofAll({ body, queueClass }: HeldTask): { readonly vars: Variables; readonly claimsOwn: boolean } {
    const known = this.ofBody.get(body);
    if (known?.queueClass === queueClass) return known;
    const vars: Variables = { ...body.env, HQ: this.base.HQ as string, HQ_SUBMIT_DIR: body.submitDir };
    for (const entry of queueClass.request.entries) {
      const names = this.namesOf(entry);
      for (const name of [names.request, names.values, names.amount, ...this.labelled(entry)]) delete vars[name];
    }
    if (body.pin !== undefined) vars.HQ_PIN = body.pin;
    const made = { queueClass, vars, claimsOwn: Object.keys(vars).some((name) => OF_A_TASK.test(name) && name !== 'HQ_PIN') };
    this.ofBody.set(body, made);
    return made;
  }

  /** Variables beside HQ_RESOURCE_VALUES that name what is held of a resource. */
  private labelled(entry: ResolvedEntry): string[] {
    if (!this.pool.hasIndices(entry.resource)) return [];
    const names = Object.keys(DEVICE_VARIABLES[this.pool.nameOf(entry.resource)] ?? {});
    return entry.name === 'cpus' ? ['HQ_CPUS', ...names] : names;
  }

  private namesOf(entry: ResolvedEntry): EntryNames {
    let names = this.ofEntry.get(entry);
    if (names === undefined) {
      const variable = entry.name.replace(/[^A-Za-z0-9]/g, '_');
      names = {
        request: `HQ_RESOURCE_REQUEST_${variable}`,
        values: `HQ_RESOURCE_VALUES_${variable}`,
        amount: `HQ_RESOURCE_AMOUNT_${variable}`,
        text: formatEntry(entry.asked),
      };
      this.ofEntry.set(entry, names);
    }
    return names;
  }

  private addResource(env: Variables, allocated: AllocatedEntry): void {
    const { entry, units, indices } = allocated;
    const names = this.namesOf(entry);
    env[names.request] = names.text;
    if (indices === undefined) {
      // Without indices nothing else tells how much there was to have.
      if (entry.policy === 'all' || entry.maxUnits > entry.units) env[names.amount] = formatAmount(units);
      return;
    }
    const labels = this.pool.labels(allocated).join(',');
    env[names.values] = labels;
    if (entry.name === 'cpus') {
      env.HQ_CPUS = labels;
      // The user's own value wins, as a task's variables win over its lane's.
      if (units % UNITS_PER_WHOLE === 0) env.OMP_NUM_THREADS = String(units / UNITS_PER_WHOLE);
    }
    for (const [name, value] of Object.entries(DEVICE_VARIABLES[this.pool.nameOf(entry.resource)] ?? {}))
      env[name] = value === '<labels>' ? labels : value;
  }
}
