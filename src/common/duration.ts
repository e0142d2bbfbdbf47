/** Durations as people write them: `90`, `01:30:00`, `1h 30m`, `500ms`. Grammar: HyperQueue's (HH:MM:SS and humantime). Pure. */

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  nsec: 1e-6,
  us: 1e-3,
  usec: 1e-3,
  ms: 1,
  msec: 1,
  millis: 1,
  s: 1e3,
  sec: 1e3,
  secs: 1e3,
  second: 1e3,
  seconds: 1e3,
  m: 6e4,
  min: 6e4,
  mins: 6e4,
  minute: 6e4,
  minutes: 6e4,
  h: 36e5,
  hr: 36e5,
  hrs: 36e5,
  hour: 36e5,
  hours: 36e5,
  d: 864e5,
  day: 864e5,
  days: 864e5,
  w: 6048e5,
  week: 6048e5,
  weeks: 6048e5,
  M: 2_630_016e3,
  month: 2_630_016e3,
  months: 2_630_016e3,
  y: 31_557_600e3,
  year: 31_557_600e3,
  years: 31_557_600e3,
};

/** A duration longer than this is a mistake, and would not fit into a timer: a hundred years. */
const MAX_MS = 100 * 31_557_600e3;

/**
 * @param text `[[HH:]MM:]SS` (a bare number is seconds) or a sequence of numbers with units
 * @returns milliseconds, or undefined when the text is no duration
 */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  const ms = parseClock(trimmed) ?? parseHuman(trimmed);
  return ms === undefined || ms > MAX_MS ? undefined : ms;
}

function parseClock(text: string): number | undefined {
  const match = /^(?:(?:(\d+):)?(\d+):)?(\d+)$/.exec(text);
  if (match === null) return undefined;
  const [hours, minutes, seconds] = [match[1], match[2], match[3]].map((digits) => Number(digits ?? 0)) as [number, number, number];
  return ((hours * 60 + minutes) * 60 + seconds) * 1000;
}

function parseHuman(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?\s*[A-Za-z]+\s*)+$/.test(text)) return undefined;
  let total = 0;
  for (const [, digits, unit] of text.matchAll(/(\d+(?:\.\d+)?)\s*([A-Za-z]+)/g)) {
    if (!Object.hasOwn(UNITS_MS, unit as string)) return undefined;
    total += Number(digits) * (UNITS_MS[unit as string] as number);
  }
  return total;
}

/** Largest units first, zero parts left out: `1h 30m`, `1m 5s 250ms`, `0s`. Fractions of a millisecond are dropped. */
export function formatDuration(ms: number): string {
  let rest = Math.floor(ms);
  const parts: string[] = [];
  for (const [unit, size] of [
    ['d', 864e5],
    ['h', 36e5],
    ['m', 6e4],
    ['s', 1e3],
    ['ms', 1],
  ] as const) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${unit}`);
  }
  return parts.length === 0 ? '0s' : parts.join(' ');
}
