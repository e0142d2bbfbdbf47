/** Whether and how tasks go into workers, found out by trying: the oracle of the makespan and of the plan. Knows nothing of the scheduler. */

/** By resource name. */
export type Amounts = Readonly<Record<string, number>>;

export const positive = (all: Amounts): Record<string, number> =>
  Object.fromEntries(Object.entries(all).filter(([, amount]) => amount > 0));

export const fits = (needs: Amounts, room: Amounts): boolean =>
  Object.entries(needs).every(([name, amount]) => amount <= (room[name] ?? 0));

export const without = (room: Amounts, needs: Amounts): Amounts =>
  Object.fromEntries(Object.entries(room).map(([name, amount]) => [name, amount - (needs[name] ?? 0)]));

/** Can all tasks be put into the rooms? Rooms with the same left are tried once. */
export function packs(tasks: readonly Amounts[], rooms: readonly Amounts[]): boolean {
  const [first, ...others] = tasks;
  if (first === undefined) return true;
  const tried = new Set<string>();
  return rooms.some((room, index) => {
    const key = JSON.stringify(room);
    if (tried.has(key) || !fits(first, room)) return false;
    tried.add(key);
    return packs(others, rooms.with(index, without(room, first)));
  });
}

/** The fewest rounds in which equally long tasks can run: so many times the workers must hold them all. Each task must fit somewhere. */
export function fewestRounds(tasks: readonly Amounts[], workers: readonly Amounts[]): number {
  for (let rounds = 0; ; rounds += 1) if (packs(tasks, Array.from({ length: rounds }, () => workers).flat())) return rounds;
}

/** Every choice of some of the things: those with the first thing before those without it, and so on. */
export function* choices<T>(things: readonly T[]): Generator<T[]> {
  const [first, ...others] = things;
  if (first === undefined) return yield [];
  for (const more of choices(others)) yield [first, ...more];
  yield* choices(others);
}
