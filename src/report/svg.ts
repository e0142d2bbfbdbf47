/** A few marks of SVG on a time axis: steps, bars, ticks. Pure; text in, text out. Used by the HTML pages of reports. */
import type { Bar, Step } from './timeline.ts';

/** Pixels: right end of the axes, what is left free around them, a line of bars and the least height of all lines, the wanted distance of ticks. */
const SIZE = { width: 900, left: 60, bottom: 24, top: 6, lane: 6, lanesLeast: 18, tick: 90 };
/** Times a power of ten. */
const TICK_STEPS = [1, 2, 5];

/** A drawing of one kind of steps: `endMs` is the right end of the axis, milliseconds. */
export interface StepsDrawing {
  readonly lines: readonly { readonly title: string; readonly color: string; readonly steps: readonly Step[]; readonly endMs: number }[];
  readonly endMs: number;
  readonly height: number;
}

/** @returns an `<svg>` with one stepped line per entry; the value axis ends at the largest value */
export function stepsSvg({ lines, endMs, height }: StepsDrawing): string {
  const most = lines.reduce((outer, { steps }) => steps.reduce((inner, { value }) => Math.max(inner, value), outer), 1);
  const y = (value: number): number => round(SIZE.top + (height - SIZE.top - SIZE.bottom) * (1 - value / most));
  const drawn = lines.map(({ title, color, steps, endMs: lineEnd }) => {
    const points = steps.map(({ atMs, value }, index) =>
      index === 0 ? `M${x(atMs, endMs)} ${y(value)}` : `H${x(atMs, endMs)}V${y(value)}`,
    );
    return `<path d="${points.join('')}H${x(lineEnd, endMs)}" fill="none" stroke="${color}" stroke-width="1.5"><title>${escaped(title)}</title></path>`;
  });
  const labels = `<text x="${SIZE.left - 6}" y="${y(most) + 4}" text-anchor="end">${most}</text><text x="${SIZE.left - 6}" y="${y(0)}" text-anchor="end">0</text>`;
  return frame(height, `${axis(endMs, height)}${labels}${drawn.join('')}`);
}

/** @returns an `<svg>` with the bars in their lanes; `endMs` is the right end of the axis, milliseconds */
export function barsSvg(bars: readonly Bar[], { endMs }: { endMs: number }): string {
  const lanes = bars.reduce((most, { lane }) => Math.max(most, lane + 1), 0);
  const height = SIZE.top + Math.max(lanes * SIZE.lane, SIZE.lanesLeast) + SIZE.bottom;
  const drawn = bars.map((bar) => {
    const [from, to] = [x(bar.startMs, endMs), x(bar.endMs, endMs)];
    // What lasts less than a pixel is there, too.
    const width = round(Math.max(to - from, 1));
    return `<rect x="${from}" y="${SIZE.top + bar.lane * SIZE.lane}" width="${width}" height="${SIZE.lane - 1}" fill="${bar.color}"><title>${escaped(bar.title)}</title></rect>`;
  });
  return frame(height, `${axis(endMs, height)}${drawn.join('')}`);
}

/** @returns milliseconds between two ticks: 1, 2 or 5 times a power of ten */
export function tickStep(endMs: number): number {
  const wanted = (endMs * SIZE.tick) / (SIZE.width - SIZE.left);
  let power = 10 ** Math.floor(Math.log10(Math.max(wanted, 1)));
  for (;;) {
    const step = TICK_STEPS.map((digit) => digit * power).find((candidate) => candidate >= wanted);
    if (step !== undefined) return step;
    power *= 10;
  }
}

/** @returns the text for the body of an element or a quoted attribute */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function axis(endMs: number, height: number): string {
  const base = height - SIZE.bottom;
  const step = tickStep(endMs);
  let text = `<path d="M${SIZE.left} ${SIZE.top}V${base}H${SIZE.width}" fill="none" stroke="#888"/>`;
  for (let atMs = 0; atMs <= endMs; atMs += step) {
    const at = x(atMs, endMs);
    text += `<path d="M${at} ${base}v4" stroke="#888"/><text x="${at}" y="${base + 16}" text-anchor="middle">${secondsLabel(atMs)}</text>`;
  }
  return text;
}

function frame(height: number, content: string): string {
  return `<svg viewBox="0 0 ${SIZE.width + 20} ${height}" width="${SIZE.width + 20}" height="${height}" role="img">${content}</svg>`;
}

function x(atMs: number, endMs: number): number {
  return round(SIZE.left + ((SIZE.width - SIZE.left) * Math.max(atMs, 0)) / Math.max(endMs, 1));
}

/** @returns the time as labels of the axis have it, `12.5 s` */
export function secondsLabel(ms: number): string {
  return `${round(ms / 1_000)} s`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
