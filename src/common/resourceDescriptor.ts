/**
 * Reads what a worker provides of one resource as people write it: `4`, `2x4`, `[a,b]`, `[[0-3],[4-7]]`, `range(1-10)`, `sum(2.5)`,
 * `related[[0],[1]]`. Called by `worker start`, `alloc add` and the worker's detection. Pure.
 */
import { HqError } from '../protocol/errors.ts';
import { type ResourceDescriptor, resourceName } from '../protocol/schema/resources.ts';
import { parseAmount, parseMemory } from './amount.ts';

/** A worker keeps a number per index; more than this is a mistyped range. */
const MAX_INDICES = 1_000_000;

/** A descriptor and whether its groups belong to the CPU groups of the same number (`related[...]`). */
export interface ParsedDescriptor {
  readonly descriptor: ResourceDescriptor;
  readonly related: boolean;
}

/**
 * `NAME=DESCRIPTOR`, the value of `--resource`.
 * @throws HqError HQ_E_RESOURCE_DESCRIPTOR
 */
export function parseResourceOption(text: string): ParsedDescriptor {
  const equals = text.indexOf('=');
  if (equals < 1) throw fault(text, 'NAME=DESCRIPTOR is expected');
  return parseResourceDescriptor(text.slice(0, equals).trim(), text.slice(equals + 1));
}

/**
 * The value of `--cpus`: a descriptor of the resource `cpus`.
 * @throws HqError HQ_E_RESOURCE_DESCRIPTOR
 */
export function parseCpuDescriptor(text: string): ResourceDescriptor {
  return parseResourceDescriptor('cpus', text).descriptor;
}

/**
 * @param name resource name
 * @param text descriptor; a plain number means indices 0 to N-1 for CPUs and GPUs, else a sum without indices
 * @throws HqError HQ_E_RESOURCE_DESCRIPTOR
 */
export function parseResourceDescriptor(name: string, text: string): ParsedDescriptor {
  const trimmed = text.trim();
  const problem = (detail: string): HqError => fault(`${name}=${text}`, detail);
  if (!resourceName.safeParse(name).success)
    throw problem(`'${name}' is not a resource name (letters, digits and '/', '_', '.' or '-', starting with a letter)`);
  if (trimmed === '') throw problem('the descriptor is empty');
  try {
    const related = /^related\s*(?=\[)/.exec(trimmed);
    if (related !== null) {
      if (name === 'cpus') throw problem('related[...] ties a resource to the CPUs, so it cannot be used for them');
      const descriptor = parseList(name, trimmed.slice(related[0].length));
      if (!trimmed.includes('[', related[0].length + 1))
        throw problem('related[...] needs one list of indices per CPU group, e.g. related[[0],[1]]');
      return { descriptor, related: true };
    }
    return { descriptor: trimmed.startsWith('[') ? parseList(name, trimmed) : parseShort(name, trimmed), related: false };
  } catch (error) {
    throw error instanceof Fault ? problem(error.message) : error;
  }
}

class Fault extends Error {}

function fault(input: string, detail: string): HqError {
  return new HqError('HQ_E_RESOURCE_DESCRIPTOR', { input, detail });
}

function isIndexed(name: string): boolean {
  return name === 'cpus' || name === 'gpus' || name.startsWith('gpus/');
}

function parseShort(name: string, text: string): ResourceDescriptor {
  const range = /^range\s*\(\s*(\d[\d_]*)\s*-\s*(\d[\d_]*)\s*\)$/.exec(text);
  if (range !== null) return makeRange(name, count(range[1] as string), count(range[2] as string));
  const sum = /^sum\s*\((.*)\)$/.exec(text);
  if (sum !== null) {
    if (name === 'cpus') throw new Fault('CPUs have indices, so sum(...) cannot be used for them');
    return makeSum(name, (sum[1] as string).trim());
  }
  const grid = /^(\d+)\s*x\s*(\d+)$/.exec(text);
  if (grid !== null) return makeGrid(name, count(grid[1] as string), count(grid[2] as string));
  if (isIndexed(name)) {
    if (!/^\d[\d_]*$/.test(text)) throw new Fault('it is neither a number nor a list of indices');
    const n = count(text);
    if (n === 0) throw new Fault('at least one is needed');
    return makeRange(name, 0, n - 1);
  }
  return makeSum(name, text);
}

function makeSum(name: string, text: string): ResourceDescriptor {
  const size = parseUnits(name, text);
  if (size === 0) throw new Fault('the amount must be above zero');
  return { name, kind: 'sum', size };
}

function makeRange(name: string, start: number, end: number): ResourceDescriptor {
  if (end < start) throw new Fault('the range ends before it starts');
  if (end - start >= MAX_INDICES) throw new Fault(`more than ${MAX_INDICES} indices`);
  return { name, kind: 'range', start, end };
}

function makeGrid(name: string, groups: number, size: number): ResourceDescriptor {
  if (groups === 0 || size === 0) throw new Fault('at least one is needed');
  if (groups * size > MAX_INDICES) throw new Fault(`more than ${MAX_INDICES} indices`);
  if (groups === 1) return makeRange(name, 0, size - 1);
  const labels = (group: number): string[] => Array.from({ length: size }, (_, i) => String(group * size + i));
  return { name, kind: 'groups', groups: Array.from({ length: groups }, (_, group) => labels(group)) };
}

/** An amount with up to four decimals; sizes such as `4GiB` only for `mem`, which counts MiB. */
function parseUnits(name: string, text: string): number {
  const units = name === 'mem' ? parseMemory(text, Math.floor) : parseAmount(text);
  if (typeof units === 'string') throw new Fault(units);
  return units;
}

function count(digits: string): number {
  const value = Number(digits.replaceAll('_', ''));
  if (value > 0xffff_ffff) throw new Fault(`'${digits}' is larger than ${0xffff_ffff}`);
  return value;
}

function parseList(name: string, text: string): ResourceDescriptor {
  const groups = readLists(text);
  const seen = new Set<string>();
  for (const label of groups.flat()) {
    if (seen.has(label)) throw new Fault(`index '${label}' is given twice`);
    seen.add(label);
  }
  return groups.length === 1 ? { name, kind: 'list', values: groups[0] as string[] } : { name, kind: 'groups', groups };
}

/** Reads `[a, b]` as one group and `[[a], [b]]` as two. */
function readLists(text: string): string[][] {
  const tokens = tokenize(text);
  let at = 0;
  const list = (): string[] => {
    const labels: string[] = [];
    for (;;) {
      const token = tokens[at++];
      if (token === undefined || token.kind !== 'label')
        throw new Fault(token?.text === ']' && labels.length === 0 ? 'a list is empty' : 'an index is missing');
      for (const label of expand(token)) labels.push(label);
      if (labels.length > MAX_INDICES) throw new Fault(`more than ${MAX_INDICES} indices`);
      const separator = tokens[at++]?.text;
      if (separator === ']') return labels;
      if (separator !== ',') throw new Fault("',' or ']' is missing");
    }
  };
  at = 1; // the opening bracket, which the caller has seen
  const groups: string[][] = [];
  if (tokens[1]?.text !== '[' || tokens[1].kind === 'label') groups.push(list());
  else {
    for (;;) {
      if (tokens[at]?.text !== '[' || tokens[at]?.kind === 'label') throw new Fault('lists and single indices cannot be mixed');
      at += 1;
      groups.push(list());
      const separator = tokens[at++]?.text;
      if (separator === ']') break;
      if (separator !== ',') throw new Fault("',' or ']' is missing");
    }
  }
  if (at < tokens.length) throw new Fault('there is text after the list');
  return groups;
}

interface Token {
  readonly kind: 'sign' | 'label';
  readonly text: string;
  readonly quoted: boolean;
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /\s*(?:([[\],])|"([^"]*)"|'([^']*)'|([^\s[\],"']+))\s*/gy;
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(text);
    if (match === null) throw new Fault(`cannot read '${text.slice(at)}'`);
    if (match[1] !== undefined) tokens.push({ kind: 'sign', text: match[1], quoted: false });
    else {
      const quoted = match[4] === undefined;
      const label = (match[2] ?? match[3] ?? match[4]) as string;
      if (label === '') throw new Fault('an index is empty');
      tokens.push({ kind: 'label', text: label, quoted });
    }
  }
  return tokens;
}

/** `0-3` without quotes stands for four indices. */
function* expand(token: Token): Generator<string> {
  const range = token.quoted ? null : /^(\d+)-(\d+)$/.exec(token.text);
  if (range === null) {
    yield token.text;
    return;
  }
  const [start, end] = [count(range[1] as string), count(range[2] as string)];
  if (end < start) throw new Fault(`range '${token.text}' ends before it starts`);
  if (end - start >= MAX_INDICES) throw new Fault(`more than ${MAX_INDICES} indices`);
  for (let value = start; value <= end; value += 1) yield String(value);
}
