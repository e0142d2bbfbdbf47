/** Medians, growth and interleaved rounds: how single measurements become figures. Used by every benchmark. */

/**
 * @param {readonly number[]} values at least one
 * @returns {number} the middle value, the mean of the two middle ones when their number is even
 */
export function median(values) {
  if (values.length === 0) throw new Error('the median of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * How a cost grows with a size: the slope of a straight line through log(size), log(cost) by least squares. 1 is linear growth, 2 quadratic, 0 none.
 * @param {readonly (readonly [size: number, cost: number])[]} points at least two different sizes, everything above zero
 * @returns {number}
 */
export function exponent(points) {
  if (points.some(([size, cost]) => !(size > 0 && cost > 0))) throw new Error('an exponent needs sizes and costs above zero');
  const logs = points.map(([size, cost]) => [Math.log(size), Math.log(cost)]);
  const mean = (at) => logs.reduce((sum, log) => sum + log[at], 0) / logs.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  const spread = logs.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  if (spread === 0) throw new Error('an exponent needs two different sizes');
  return logs.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
}

/**
 * Runs all measurements once per round, one after the other, so that a machine that gets slower meanwhile does so for all of them.
 * @param {number} rounds
 * @param {Readonly<Record<string, (round: number) => number | undefined | Promise<number | undefined>>>} measures undefined: it cannot be measured
 * @param {() => number | Promise<number>} [limit] also run between any two of them: what a measurement is compared with is the mean of
 *   the one before and the one after it, so that it has seen the same machine
 * @returns {Promise<Samples>} under the names of the measurements; of the limit under `limit`, and under `limit of NAME` beside each
 */
export async function interleaved(rounds, measures, limit) {
  const samples = new Samples();
  const measureLimit = async () => {
    const value = await limit?.();
    samples.add('limit', value);
    return value;
  };
  for (let round = 0; round < rounds; round += 1) {
    let before = await measureLimit();
    for (const [name, measure] of Object.entries(measures)) {
      samples.add(name, await measure(round));
      const after = await measureLimit();
      samples.add(limitOf(name), after === undefined ? undefined : (before + after) / 2);
      before = after;
    }
  }
  return samples;
}

/** Where `interleaved` leaves the limit of a measurement. */
export const limitOf = (name) => `limit of ${name}`;

/** Values under names, one per round. */
export class Samples {
  /** @type {Map<string, number[]>} */
  values = new Map();

  /** @param {string} name @param {number | undefined} value undefined is not noted down */
  add(name, value) {
    if (value === undefined) return;
    const list = this.values.get(name);
    if (list === undefined) this.values.set(name, [value]);
    else list.push(value);
  }

  /** Adds the milliseconds that `work` takes. @returns what it answers */
  async time(name, work) {
    const started = performance.now();
    const result = await work();
    this.add(name, performance.now() - started);
    return result;
  }

  has(name) {
    return this.values.has(name);
  }

  /** @returns {number} @throws Error when nothing was noted under this name */
  median(name) {
    return median(this.values.get(name) ?? []);
  }

  /**
   * The median of the ratios within the rounds, which a drift from round to round does not touch.
   * @returns {number}
   */
  ratio(name, to) {
    const below = this.values.get(to) ?? [];
    return median((this.values.get(name) ?? []).map((value, round) => value / below[round]));
  }
}
