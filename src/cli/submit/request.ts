/**
 * The resource flags of a submit as alternatives of a request: `--cpus`, `--resource` and `--variant` in the order in which they were typed.
 * A resource named a second time begins the next alternative (the original refuses it).
 */
import { parseEntry, parseRequest, parseResourceArgument, refuseOverlaps } from '../../common/requestText.ts';
import { HqError } from '../../protocol/errors.ts';
import type { PinMode } from '../../protocol/resourceTerms.ts';
import type { Compat } from '../compat.ts';

/** `--cpus` and `--resource` as typed; commander collects them in one list so that their order is kept. */
export interface TypedResource {
  readonly flag: '--cpus' | '--resource';
  readonly text: string;
}

export interface RequestFlags {
  readonly cpus?: string;
  /** In the order typed; `--cpus` is in it when both were given. */
  readonly resource?: readonly TypedResource[];
  readonly variant?: readonly string[];
  readonly timeRequest?: number;
  /** Above zero: so many whole workers of one group. */
  readonly nodes?: number;
  /** One for all alternatives, or one for each. */
  readonly weight?: readonly number[];
  readonly pin?: PinMode;
}

/** One alternative as the API takes it. */
export interface VariantInput {
  readonly resources: Record<string, string>;
  readonly timeRequestMs?: number;
  readonly nodes?: number;
  readonly weight?: number;
}

/** As in the schema of a request. */
const VARIANTS_MAX = 32;

/** @throws HqError HQ_E_RESOURCE_REQUEST, HQ_E_USAGE */
export function requestOf(flags: RequestFlags, compat: Compat): VariantInput[] {
  const typed = flags.resource ?? [];
  const all: readonly TypedResource[] =
    flags.cpus === undefined || typed.some(({ flag }) => flag === '--cpus') ? typed : [{ flag: '--cpus', text: flags.cpus }, ...typed];
  if (flags.variant !== undefined && all.length > 0) {
    throw new HqError('HQ_E_USAGE', { detail: `the argument '--variant' cannot be used with '${all[0]?.flag}'` });
  }
  if (flags.nodes !== undefined && flags.nodes > 0) return [wholeWorkers(flags.nodes, flags, all[0]?.flag)];
  const time = timeOf(flags);
  const variants = flags.variant === undefined ? typedVariants(all, compat) : flags.variant.map(explicitVariant);
  if (variants.length > VARIANTS_MAX) {
    throw new HqError('HQ_E_USAGE', { detail: `${variants.length} resource variants were given, at most ${VARIANTS_MAX} are possible` });
  }
  const weights = flags.weight ?? [];
  if (weights.length > 1 && weights.length !== variants.length) {
    throw new HqError('HQ_E_USAGE', {
      detail: `--weight was given ${weights.length} times for ${variants.length} resource variants: give one for all, or one for each`,
    });
  }
  const request = variants.map((resources, index) => ({
    resources: 'cpus' in resources ? resources : { ...resources, cpus: '1' },
    ...time,
    ...(weights.length === 0 ? {} : { weight: weights[index] ?? (weights[0] as number) }),
  }));
  refuseOverlaps(parseRequest(request.map((variant) => ({ nodes: 0, timeRequestMs: 0, weight: 1, ...variant }))));
  return request;
}

/** @param typed a flag that asks for single resources, if there is one */
function wholeWorkers(nodes: number, flags: RequestFlags, typed: string | undefined): VariantInput {
  const other = flags.variant !== undefined ? '--variant' : (typed ?? (flags.pin === undefined ? undefined : '--pin'));
  if (other !== undefined) {
    throw new HqError('HQ_E_USAGE', {
      detail: `the argument '--nodes' cannot be used with '${other}': such a task takes whole workers`,
    });
  }
  const [weight, ...more] = flags.weight ?? [];
  if (more.length > 0)
    throw new HqError('HQ_E_USAGE', { detail: `--weight was given ${more.length + 1} times for the one request of --nodes` });
  return { resources: {}, nodes, ...timeOf(flags), ...(weight === undefined ? {} : { weight }) };
}

function timeOf({ timeRequest }: RequestFlags): Pick<VariantInput, 'timeRequestMs'> {
  return timeRequest === undefined ? {} : { timeRequestMs: timeRequest };
}

function typedVariants(typed: readonly TypedResource[], compat: Compat): Record<string, string>[] {
  let current: Record<string, string> = {};
  const variants = [current];
  for (const { flag, text } of typed) {
    const [name, amount] = flag === '--cpus' ? cpus(text) : parseResourceArgument(text);
    if (Object.hasOwn(current, name)) {
      if (compat.refuseRepeatedResource)
        throw new HqError('HQ_E_RESOURCE_REQUEST', { input: text, detail: `Resource '${name}' defined more than once` });
      current = {};
      variants.push(current);
    }
    current[name] = amount;
  }
  return variants;
}

/** `gpus=1 cpus=4 compact`: blanks separate resources, except before a policy. */
function explicitVariant(text: string): Record<string, string> {
  const resources: Record<string, string> = {};
  for (const part of text.trim().split(/\s+(?=[A-Za-z][\w/.-]*\s*=)/)) {
    const [name, amount] = parseResourceArgument(part);
    if (Object.hasOwn(resources, name))
      throw new HqError('HQ_E_RESOURCE_REQUEST', { input: text, detail: `'${name}' is requested twice in one variant` });
    resources[name] = amount;
  }
  return resources;
}

function cpus(text: string): [string, string] {
  parseEntry('cpus', text);
  return ['cpus', text];
}
