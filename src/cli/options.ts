/** How options are made, and values that several commands parse, as commander parsers: each refuses bad input with one line. */
import { constants } from 'node:os';
import { InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../common/duration.ts';
import { QUEUE_NAME } from '../protocol/resourceTerms.ts';

/** As in the schema of a job. */
const JOB_NAME_MAX = 4_096;

/** An option whose text is handed over as it is, or that has none. */
export const opt = (flags: string, description: string): Option => new Option(flags, description);

/** An option that may be given once, with a parser. */
export const val = <T>(flags: string, description: string, parse: (text: string) => T): Option =>
  new Option(flags, description).argParser(once(parse, flags.replace(/^-\w, /, '')));

/** @returns milliseconds */
export function durationMs(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError("a duration like 90, 10min, '1h 30m' or 01:30:00 is expected");
  return ms;
}

/** `none` stays itself (commander makes a text of null), everything else is what the parser makes of it; see `noneAsNull`. */
export function orNone<T>(parse: (text: string) => T): (text: string) => T | 'none' {
  return (text) => (text === 'none' ? text : parse(text));
}

/** @returns the options with null for `none`, as the API takes them */
export function noneAsNull<T extends object>(options: T): { [K in keyof T]: 'none' extends T[K] ? Exclude<T[K], 'none'> | null : T[K] } {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [key, value === 'none' ? null : value])) as never;
}

/** An option of HyperQueue about something that is not here: whoever gives it hears so, instead of believing that it counts. */
export class RefusedOption extends Option {
  /** @param why it is refused, and what to do */
  constructor(flags: string, why: string) {
    super(flags, `of HyperQueue, refused: ${why} (default: none)`);
    this.argParser(() => {
      throw new InvalidArgumentError(why);
    });
  }
}

/** A duration above zero. */
export function positiveDurationMs(text: string): number {
  const ms = durationMs(text);
  if (ms <= 0) throw new InvalidArgumentError('a duration above zero is expected');
  return ms;
}

/** `USR1@60s`: a signal, and how long before the end it is sent. */
export function signalAt(typed: string): { signal: string; beforeMs: number } {
  const [name = '', time = ''] = typed.split('@');
  const signal = name.toUpperCase().replace(/^(?!SIG)/, 'SIG');
  const beforeMs = parseDuration(time);
  if (!Object.hasOwn(constants.signals, signal) || beforeMs === undefined || beforeMs <= 0 || typed.split('@').length !== 2)
    throw new InvalidArgumentError('a signal and a duration like USR1@60s are expected');
  return { signal, beforeMs };
}

/** An integer between two bounds, inclusive. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isNaN(value) || value < min || value > max)
      throw new InvalidArgumentError(`a whole number from ${min} to ${max} is expected`);
    return value;
  };
}

/** A decimal number between two bounds, inclusive. */
export function decimal(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isNaN(value) || value < min || value > max) throw new InvalidArgumentError(`a number from ${min} to ${max} is expected`);
    return value;
  };
}

/** Collects the values of `--weight`; the least is what the scheduler can tell from nothing. */
export function weights(text: string, previous: number[] | undefined): number[] {
  return [...(previous ?? []), decimal(0.0001, 1_000_000)(text)];
}

/** Ids of jobs, workers and queues. */
export const id: (text: string) => number = integer(1, 0xffff_ffff);

export const port: (text: string) => number = integer(1, 65_535);

/** Any text but none at all, which is nearly always an unset variable of a script. */
export function text(value: string): string {
  if (value === '') throw new InvalidArgumentError('it is empty');
  return value;
}

/** Name of an allocation queue. */
export function queueName(text: string): string {
  if (!QUEUE_NAME.test(text)) throw new InvalidArgumentError('a name of letters, digits, _, . and - is expected');
  return text;
}

/** A name that is shown in one cell of a table. */
export function jobName(text: string): string {
  if (text === '' || /[\n\t]/.test(text)) throw new InvalidArgumentError('a name without line breaks and tabs is expected');
  return atMost(JOB_NAME_MAX)(text);
}

export function atMost(characters: number): (text: string) => string {
  return (text) => {
    if (text.length > characters) throw new InvalidArgumentError(`at most ${characters} characters are possible`);
    return text;
  };
}

/** Collects a repeatable option. */
export function append(text: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), text];
}

/** Collects texts of the kind `NAME=VALUE`. */
export function appendPair(text: string, previous: string[] | undefined): string[] {
  if (!/^[^=]+=./.test(text)) throw new InvalidArgumentError('NAME=VALUE is expected');
  return append(text, previous);
}

/** An option that may be given once: a second time is a mistake, as in the original. */
export function once<T>(parse: (text: string) => T, flag: string): (text: string, previous: T | undefined) => T {
  return (text, previous) => {
    if (previous !== undefined) throw new InvalidArgumentError(`the argument '${flag}' cannot be used multiple times`);
    return parse(text);
  };
}
