/** What happened when, as steps and bars to draw: how many ran at a time, what ran beside what. Pure. Used by the HTML pages of reports. */

/** From `atMs` on (milliseconds since the start of the run) the value is `value`. */
export interface Step {
  readonly atMs: number;
  readonly value: number;
}

/** A piece of time, milliseconds since the start of the run. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** A span on the line in which it is drawn. */
export interface Bar extends Span {
  readonly lane: number;
  /** Shown under the pointer. */
  readonly title: string;
  readonly color: string;
}

/** @returns a step at each moment in which something changes, the first at 0 */
export function steps(changes: readonly { readonly atMs: number; readonly by: number }[]): Step[] {
  const found = [{ atMs: 0, value: 0 }];
  let last = found[0] as { atMs: number; value: number };
  for (const { atMs, by } of [...changes].sort((a, b) => a.atMs - b.atMs)) {
    // Clocks of nodes may be a little behind.
    const at = Math.max(atMs, 0);
    if (at === last.atMs) last.value += by;
    else {
      last = { atMs: at, value: last.value + by };
      found.push(last);
    }
  }
  return found;
}

/** @returns steps: how many of the spans are going on */
export function stepsOf(spans: readonly Span[]): Step[] {
  return steps(
    spans.flatMap(({ startMs, endMs }) => [
      { atMs: startMs, by: 1 },
      { atMs: endMs, by: -1 },
    ]),
  );
}

/** @returns the spans by their start, each on the first line that is free then, so that the number of lines is the most that went on at once */
export function inLanes<S extends Span>(spans: readonly S[]): (S & { readonly lane: number })[] {
  const freeAtMs: number[] = [];
  return [...spans]
    .sort((a, b) => a.startMs - b.startMs)
    .map((span) => {
      const free = freeAtMs.findIndex((atMs) => atMs <= span.startMs);
      const lane = free < 0 ? freeAtMs.length : free;
      freeAtMs[lane] = span.endMs;
      return { ...span, lane };
    });
}

/**
 * @param points most steps to keep
 * @returns the same line with fewer steps where it has very many: of each stretch of time the last value and the largest one
 */
export function thinned(all: readonly Step[], endMs: number, points: number): Step[] {
  if (all.length <= points) return [...all];
  const width = Math.max(1, endMs / (points / 2));
  const found: Step[] = [];
  for (let at = 0; at < all.length; ) {
    const bin = Math.floor((all[at] as Step).atMs / width);
    let last = all[at] as Step;
    let most = last;
    for (; at < all.length && Math.floor((all[at] as Step).atMs / width) === bin; at += 1) {
      last = all[at] as Step;
      if (last.value > most.value) most = last;
    }
    if (most !== last) found.push(most);
    found.push(last);
  }
  return found;
}
