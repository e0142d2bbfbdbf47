/** Sizes in bytes as people write them: `512`, `512MiB`, `4GiB`, `1.5G`. Pure. */

const FACTORS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  kib: 2 ** 10,
  m: 1e6,
  mb: 1e6,
  mib: 2 ** 20,
  g: 1e9,
  gb: 1e9,
  gib: 2 ** 30,
  t: 1e12,
  tb: 1e12,
  tib: 2 ** 40,
};

/** @returns bytes, or undefined when the text is not a size. Units ending in `iB` are powers of 1,024, others of 1,000. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d[\d_]*(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = match?.[2]?.toLowerCase();
  if (match === null || unit === undefined || !Object.hasOwn(FACTORS, unit)) return undefined;
  return Math.round(Number((match[1] as string).replaceAll('_', '')) * (FACTORS[unit] as number));
}

/** `4.12 GiB`, `512 B`: two decimals at most. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Number(value.toFixed(2))} ${units[unit]}`;
}
