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
 * @param {Readonly<Record<string, (round: number) => number | Promise<number>>>} measures
 * @returns {Promise<Record<string, number>>} the median of each
 */
export async function interleaved(rounds, measures) {
  const samples = new Samples();
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, measure] of Object.entries(measures)) samples.add(name, await measure(round));
  }
  return samples.medians();
}

/** Values under names, for rounds in which one run gives several of them. */
export class Samples {
  /** @type {Map<string, number[]>} */
  values = new Map();

  /** @param {string} name @param {number} value */
  add(name, value) {
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

  /** @returns {Record<string, number>} */
  medians() {
    return Object.fromEntries([...this.values].map(([name, list]) => [name, median(list)]));
  }
}
