/** JSON as HyperQueue prints it: two blanks of indentation, keys in alphabetical order, whole floats with a decimal point. */

/** A number that must look like a float (`8.0`): durations in seconds, fractions. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }

  toString(): string {
    const text = String(this.value);
    // Very large ones have an exponent, which is a float already.
    return /^-?\d+$/.test(text) ? `${text}.0` : text;
  }
}

/** Seconds as a float out of milliseconds. */
export function seconds(ms: number | null): Float | null {
  return ms === null ? null : new Float(ms / 1000);
}

/** RFC 3339 in UTC. */
export function date(atMs: number | null): string | null {
  return atMs === null ? null : new Date(atMs).toISOString();
}

/** @param value plain data, `Float` included; undefined members are left out */
export function jsonText(value: unknown, indent = ''): string {
  if (value instanceof Float) return value.toString();
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    return `[\n${value.map((item) => inner + jsonText(item, inner)).join(',\n')}\n${indent}]`;
  }
  const entries = Object.entries(value as Record<string, unknown>).filter(([, member]) => member !== undefined);
  if (entries.length === 0) return '{}';
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{\n${entries.map(([key, member]) => `${inner}${JSON.stringify(key)}: ${jsonText(member, inner)}`).join(',\n')}\n${indent}}`;
}
