/** Times for batch systems. Pure. Used by the scripts of allocations and by `hq compare`. */

/** `HH:MM:SS` as batch systems write times; hours may have more digits. Parts of a second are rounded up. */
export function clockTime(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  const parts = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts.map((part) => String(part).padStart(2, '0')).join(':');
}
