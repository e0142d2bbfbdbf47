/** A naive model of one plan on idle workers: goes through every task, variant and worker in the order of docs/scheduler.md, rules 1 to 5. */
import { type Amounts, choices, fewestRounds, fits, packs, without } from './packingOracle.ts';

export interface ModelTask {
  readonly name: string;
  readonly job: number;
  readonly id: number;
  readonly priority: number;
  /** Tasks of one group ask for the same. */
  readonly group: number;
  readonly variants: readonly { readonly weight: number; readonly needs: Amounts }[];
}

type Variant = ModelTask['variants'][number];

class Model {
  readonly placed: string[] = [];
  private readonly free: Amounts[];
  private readonly workers: readonly Amounts[];

  constructor(workers: readonly Amounts[]) {
    this.workers = workers;
    this.free = [...workers];
  }

  /** Tasks of one priority, in the order in which they became ready. */
  place(tasks: readonly ModelTask[]): void {
    const groups = [...new Set(tasks.map(({ group }) => group))].map((group) => tasks.filter((task) => task.group === group));
    const inOrder = groups.sort(([a], [b]) => before(a as ModelTask, b as ModelTask, (task) => this.size(task))).flat();
    const isFew =
      tasks.length <= 8 &&
      groups.length > 1 &&
      tasks.every(({ variants }) => variants.length === 1) &&
      new Set(tasks.map(heaviest)).size === 1;
    const waiting = new Set(inOrder);
    for (const [task, at] of isFew ? this.bestOf(inOrder) : []) this.start(waiting, task, { at, index: 0 });
    for (const group of groups) this.firstFit(waiting, group);
  }

  private firstFit(waiting: Set<ModelTask>, group: readonly ModelTask[]): void {
    for (const [index, { needs }] of byPreference((group[0] as ModelTask).variants)) {
      for (const at of this.free.keys()) {
        for (const task of group) if (waiting.has(task) && fits(needs, this.free[at] as Amounts)) this.start(waiting, task, { at, index });
      }
    }
  }

  private start(waiting: Set<ModelTask>, task: ModelTask, { at, index }: { at: number; index: number }): void {
    this.free[at] = without(this.free[at] as Amounts, (task.variants[index] as Variant).needs);
    this.placed.push(`${task.name} on ${at + 1} as ${index}`);
    waiting.delete(task);
  }

  /** Dominant share: the largest part of what all workers have of a resource, of the first variant of which there is everything. */
  private size(task: ModelTask): number {
    for (const [, { needs }] of byPreference(task.variants)) {
      const shares = Object.entries(needs).map(
        ([name, amount]) => amount / this.workers.reduce((sum, worker) => sum + (worker[name] ?? 0), 0),
      );
      if (shares.every(Number.isFinite)) return Math.max(...shares);
    }
    return 0;
  }

  /** The first choice with the fewest rounds, when they are fewer than first fit needs: tasks and the index of their worker. */
  private bestOf(all: readonly ModelTask[]): [ModelTask, number][] {
    const tasks = all.filter((task) => this.workers.some((worker) => fits(needsOf(task), worker)));
    const roundsAfter = (started: readonly ModelTask[]): number =>
      fewestRounds(tasks.filter((task) => !started.includes(task)).map(needsOf), this.workers);
    const rooms = [...this.free];
    const inOrder = tasks.filter((task) => {
      const at = rooms.findIndex((room) => fits(needsOf(task), room));
      if (at >= 0) rooms[at] = without(rooms[at] as Amounts, needsOf(task));
      return at >= 0;
    });
    let best: { started: ModelTask[]; rounds: number } = { started: inOrder, rounds: roundsAfter(inOrder) };
    for (const started of choices(tasks)) {
      if (!packs(started.map(needsOf), this.free)) continue;
      const rounds = roundsAfter(started);
      if (rounds < best.rounds) best = { started, rounds };
    }
    return best.started === inOrder ? [] : spread(best.started, this.free, 0);
  }
}

/** Every worker takes the first choice that leaves a rest which the workers after it can hold. */
function spread(tasks: readonly ModelTask[], rooms: readonly Amounts[], at: number): [ModelTask, number][] {
  const [room, ...others] = rooms;
  for (const mine of room === undefined ? [] : choices(tasks)) {
    const rest = tasks.filter((task) => !mine.includes(task));
    if (!packs(mine.map(needsOf), [room as Amounts]) || !packs(rest.map(needsOf), others)) continue;
    return [...mine.map((task): [ModelTask, number] => [task, at]), ...spread(rest, others, at + 1)];
  }
  return [];
}

const needsOf = (task: ModelTask): Amounts => (task.variants[0] as Variant).needs;

const byPreference = (variants: readonly Variant[]): [number, Variant][] =>
  [...variants.entries()].sort(([i, a], [j, b]) => b.weight - a.weight || i - j);

const heaviest = ({ variants }: ModelTask): number => Math.max(...variants.map(({ weight }) => weight));

const before = (a: ModelTask, b: ModelTask, size: (task: ModelTask) => number): number =>
  heaviest(b) - heaviest(a) || a.job - b.job || size(b) - size(a) || a.id - b.id;

/** @returns `task on worker as variant`, in order */
export function naivePlan(tasks: readonly ModelTask[], workers: readonly Amounts[]): string[] {
  const model = new Model(workers);
  for (const priority of [...new Set(tasks.map((task) => task.priority))].sort((a, b) => b - a)) {
    model.place(tasks.filter((task) => task.priority === priority));
  }
  return model.placed;
}
