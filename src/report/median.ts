/** The median. Pure. Used by reports. */

/** @returns the middle value, or the mean of the two in the middle; undefined for none */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[half]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}
