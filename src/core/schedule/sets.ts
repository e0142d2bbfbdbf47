/**
 * Sets of a few things, all of them looked at: which sets fit into a room, how a set spreads over several rooms, in how few rounds everything passes
 * through. A set is a bit mask in which the first thing has the highest bit, so that of two sets the one with the earlier things is the greater number.
 * Knows nothing of tasks and workers; used by `lastFew.ts`. Cost: 3^n steps per room.
 */

/** What one thing takes of a room: amounts by slot. */
export type Demand = readonly { readonly slot: number; readonly units: number }[];

/** By set: 1 when it fits. The empty set always does. */
export type Fitting = Uint8Array;

/** By room, then by set: the part of the set that goes into this room when the set spreads over this room and those after it; -1 when it cannot. */
export type Spread = readonly Int32Array[];

/**
 * @param demands by thing; undefined for what may not go into this room at all
 * @param room what there is, by slot
 */
export function fittingSets(demands: readonly (Demand | undefined)[], room: readonly (number | undefined)[]): Fitting {
  const fitting = new Uint8Array(2 ** demands.length);
  const left: (readonly (number | undefined)[])[] = [room];
  fitting[0] = 1;
  for (let set = 1; set < fitting.length; set += 1) {
    const last = set & -set;
    const demand = demands[demands.length - 1 - Math.log2(last)];
    const before = left[set ^ last];
    const after = before === undefined || demand === undefined ? undefined : take(before, demand);
    if (after === undefined) continue;
    left[set] = after;
    fitting[set] = 1;
  }
  return fitting;
}

function take(room: readonly (number | undefined)[], demand: Demand): (number | undefined)[] | undefined {
  const after = [...room];
  for (const { slot, units } of demand) {
    after[slot] = (after[slot] ?? 0) - units;
    if ((after[slot] as number) < 0) return undefined;
  }
  return after;
}

/**
 * Every set over all rooms: each room takes the greatest part that leaves a rest which spreads over the rooms after it.
 * @param rooms at least one
 */
export function spreadOver(rooms: readonly Fitting[]): Spread {
  const spread: Int32Array[] = [];
  for (const room of [...rooms].reverse()) {
    const [after] = spread;
    const isRest = (rest: number): boolean => (after === undefined ? rest === 0 : (after[rest] as number) >= 0);
    spread.unshift(Int32Array.from(room, (_, set) => greatestPart(set, (part) => room[part] === 1 && isRest(set ^ part))));
  }
  return spread;
}

/** @returns which set goes into each room; `set` must spread over them */
export function partsIn(spread: Spread, set: number): number[] {
  let rest = set;
  return spread.map((parts) => {
    const part = parts[rest] as number;
    rest ^= part;
    return part;
  });
}

/** @returns by set: in how few rounds it passes through the rooms, each round a set that spreads over them; Infinity when it cannot */
export function fewestRounds(spread: Spread): Float64Array {
  const [whole] = spread;
  const rounds = new Float64Array(whole?.length ?? 0).fill(Number.POSITIVE_INFINITY);
  rounds[0] = 0;
  for (let set = 1; set < rounds.length; set += 1) {
    for (let part = set; part > 0; part = (part - 1) & set) {
      const after = rounds[set ^ part] as number;
      if (after + 1 < (rounds[set] as number) && (whole?.[part] as number) >= 0) rounds[set] = after + 1;
    }
  }
  return rounds;
}

/** First fit: one thing after the other goes into the first room that still takes it. @returns the set of all that got a place */
export function firstFit(rooms: readonly Fitting[], things: number): number {
  const inside = rooms.map(() => 0);
  for (let thing = 2 ** (things - 1); thing >= 1; thing /= 2) {
    const at = rooms.findIndex((room, index) => room[(inside[index] as number) | thing] === 1);
    if (at >= 0) inside[at] = (inside[at] as number) | thing;
  }
  return inside.reduce((all, set) => all | set, 0);
}

/** @returns the greatest part of a set that satisfies the condition: the set itself first, nothing last; -1 for none */
function greatestPart(set: number, condition: (part: number) => boolean): number {
  for (let part = set; part > 0; part = (part - 1) & set) if (condition(part)) return part;
  return condition(0) ? 0 : -1;
}
