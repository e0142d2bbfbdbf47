/**
 * Resource requests as people and bridges write them: `2`, `0.5`, `all`, `4 compact`, `2-8`, `mem=4GiB`. Turned into the canonical request by
 * the server and the worker; the command line uses the same code to refuse bad input early. Grammar: HyperQueue's, with ranges and sizes added.
 */
import { HqError } from '../protocol/errors.ts';
import { ALLOCATION_POLICIES, RESOURCE_NAME, UNITS_PER_WHOLE } from '../protocol/resourceTerms.ts';
import type { RequestSpec, RequestVariant, ResourceEntry, ResourceRequest } from '../protocol/schema/resources.ts';
import { formatAmount, parseAmount, parseMemory } from './amount.ts';
import { overlapOf } from './resourceAlias.ts';

/**
 * @param specs alternatives, the preferred one first
 * @returns entries sorted by name; a spec without `resources` asks for one CPU
 * @throws HqError HQ_E_RESOURCE_REQUEST naming the bad entry
 */
export function parseRequest(specs: readonly RequestSpec[]): ResourceRequest {
  const variants = specs.map(parseVariant);
  const multiNode = variants.filter((variant) => variant.nodes > 0).length;
  if (multiNode > 0 && multiNode < variants.length) {
    throw fault(`nodes=${Math.max(...variants.map((variant) => variant.nodes))}`, 'variants with and without nodes cannot be mixed');
  }
  return { variants };
}

/**
 * A request for `gpus` stands for a GPU of any vendor, so it may be met by what `gpus/nvidia` beside it asks for: which of the two gets what would
 * depend on the worker. Apart from `parseRequest`, because a journal may hold such requests.
 * @throws HqError HQ_E_RESOURCE_REQUEST for a variant that asks for one thing under two names
 */
export function refuseOverlaps({ variants }: ResourceRequest): void {
  for (const { entries } of variants) {
    const names = entries.map(({ name }) => name);
    const [general, special] = overlapOf(names) ?? [];
    if (general === undefined || special === undefined) continue;
    const detail = `'${special}' is part of '${general}': ask for one of them, or put them into two variants`;
    throw fault(names.join(', '), detail);
  }
}

/**
 * The value of `--resource`: `gpus=0.5`.
 * @returns [name, text of the amount]
 * @throws HqError HQ_E_RESOURCE_REQUEST
 */
export function parseResourceArgument(text: string): [name: string, amount: string] {
  const equals = text.indexOf('=');
  if (equals < 1) throw fault(text, 'NAME=AMOUNT is expected');
  const [name, amount] = [text.slice(0, equals).trim(), text.slice(equals + 1).trim()];
  parseEntry(name, amount);
  return [name, amount];
}

/**
 * @param name resource name
 * @param written amount as in a job file or request body
 * @throws HqError HQ_E_RESOURCE_REQUEST
 */
export function parseEntry(name: string, written: number | string): ResourceEntry {
  const text = String(written).trim();
  const input = `${name}=${text}`;
  if (!RESOURCE_NAME.test(name)) throw fault(input, `'${name}' is not a resource name`);
  if (text.toLowerCase() === 'all') return { name, policy: 'all', units: 0 };
  const [amount = '', policyText, ...rest] = text.split(/\s+/);
  const policy = ALLOCATION_POLICIES.find((known) => known === (policyText ?? 'compact'));
  if (policy === undefined || policy === 'all' || rest.length > 0) {
    throw fault(input, `'${[policyText, ...rest].join(' ')}' is no policy (compact, compact!, tight, tight!, scatter)`);
  }
  return { name, policy, ...parseUnits(name, amount, input) };
}

/** `2 compact`, `all`: the text of HQ_RESOURCE_REQUEST_* and of tables. */
export function formatEntry(entry: ResourceEntry): string {
  if (entry.policy === 'all') return 'all';
  const amount = entry.maxUnits === undefined ? formatAmount(entry.units) : `${formatAmount(entry.units)}-${formatAmount(entry.maxUnits)}`;
  return `${amount} ${entry.policy}`;
}

function parseVariant(spec: RequestSpec): RequestVariant {
  const resources = spec.resources ?? (spec.nodes > 0 ? {} : { cpus: 1 });
  if (spec.nodes > 0 && Object.keys(resources).length > 0) {
    throw fault(`nodes=${spec.nodes}`, 'a multi-node task takes whole nodes, so it cannot ask for single resources');
  }
  const entries = Object.entries(resources).map(([name, written]) => parseEntry(name, written));
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { nodes: spec.nodes, minTimeMs: spec.timeRequestMs, weight: Math.round(spec.weight * UNITS_PER_WHOLE), entries };
}

function parseUnits(name: string, amount: string, input: string): Pick<ResourceEntry, 'units' | 'maxUnits'> {
  const range = /^([^-]+)-([^-]+)$/.exec(amount);
  if (range === null) return { units: positiveUnits(name, amount, input) };
  const [units, maxUnits] = [positiveUnits(name, range[1] as string, input), positiveUnits(name, range[2] as string, input)];
  if (maxUnits < units) throw fault(input, 'the range ends before it starts');
  return maxUnits === units ? { units } : { units, maxUnits };
}

function positiveUnits(name: string, text: string, input: string): number {
  const units = name === 'mem' ? parseMemory(text, Math.ceil) : parseAmount(text);
  if (typeof units === 'string') throw fault(input, units);
  if (units <= 0) throw fault(input, 'the amount must be above zero');
  return units;
}

function fault(input: string, detail: string): HqError {
  return new HqError('HQ_E_RESOURCE_REQUEST', { input, detail });
}
