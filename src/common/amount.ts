/** Amounts of resources as text: decimals with at most four fractional digits, kept as integers in units of 1/10,000. Pure. */

import { parseSize } from './size.ts';

const PATTERN = /^(\d[\d_]*)(?:\.(\d[\d_]*))?$/;
const FRACTION_DIGITS = 4;
/** Amounts in units stay exact integers, with room for sums over some workers. */
const MAX_WHOLE = 100_000_000_000;

const BYTES_PER_MIB = 2 ** 20;

/**
 * @param text e.g. `4`, `0.5`, `5_000`, `1.25`
 * @returns units of 1/10,000, or a sentence that says what is wrong
 */
export function parseAmount(text: string): number | string {
  const match = PATTERN.exec(text.trim());
  if (match === null) return `'${text}' is not an amount`;
  const whole = Number((match[1] as string).replaceAll('_', ''));
  const fraction = (match[2] ?? '').replaceAll('_', '');
  if (fraction.length > FRACTION_DIGITS) return `'${text}' has more than ${FRACTION_DIGITS} decimals`;
  if (whole > MAX_WHOLE) return `'${text}' is too large`;
  return whole * 10 ** FRACTION_DIGITS + Number(fraction.padEnd(FRACTION_DIGITS, '0'));
}

/**
 * An amount of memory, which is counted in MiB.
 * @param text an amount, or a size such as `4GiB`
 * @param round what becomes of parts of a unit: up for what is requested, down for what there is
 * @returns units of 1/10,000, or a sentence that says what is wrong
 */
export function parseMemory(text: string, round: (value: number) => number): number | string {
  if (!/[a-z]/i.test(text)) return parseAmount(text);
  const bytes = parseSize(text);
  if (bytes === undefined) return `'${text}' is not a size`;
  const mib = bytes / BYTES_PER_MIB;
  return mib > MAX_WHOLE ? `'${text}' is too large` : round(mib * 10 ** FRACTION_DIGITS);
}

/** Units of 1/10,000 as the shortest decimal: `1.5`, `4`. */
export function formatAmount(units: number): string {
  const whole = Math.floor(units / 10 ** FRACTION_DIGITS);
  const fraction = String(units % 10 ** FRACTION_DIGITS)
    .padStart(FRACTION_DIGITS, '0')
    .replace(/0+$/, '');
  return fraction === '' ? String(whole) : `${whole}.${fraction}`;
}
