/**
 * The resource flags of a submit as alternatives of a request: `--cpus`, `--resource` and `--variant` in the order in which they were typed.
 * A resource named a second time begins the next alternative (the original refuses it).
 */
import { parseEntry, parseRequest, parseResourceArgument, refuseOverlaps } from '../../common/requestText.ts';
import { HqError } from '../../protocol/errors.ts';
import { type PinMode, QUEUE_RESOURCE } from '../../protocol/resourceTerms.ts';
import type { Compat } from '../compat.ts';

/** `--cpus` and `--resource` as typed; commander collects them in one list so that their order is kept. */
export interface TypedResource {
  readonly flag: '--cpus' | '--resource';
  readonly text: string;
}

/** Resources as given in one place: on the command line, or in a script. */
export interface TypedRequest {
  readonly cpus?: string;
  /** In the order typed; `--cpus` is in it when both were given. */
  readonly resource?: readonly TypedResource[];
  readonly variant?: readonly string[];
}

export interface RequestFlags extends TypedRequest {
  readonly timeRequest?: number;
  /** Above zero: so many whole workers of one group. */
  readonly nodes?: number;
  /** One for all alternatives, or one for each. */
  readonly weight?: readonly number[];
  readonly pin?: PinMode;
  /** Name of the only allocation queue whose workers may run it. */
  readonly queue?: string;
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

/**
 * @param inScript resources in the `#HQ` lines of the submitted script
 * @throws HqError HQ_E_RESOURCE_REQUEST, HQ_E_USAGE
 */
export function requestOf(flags: RequestFlags, compat: Compat, inScript: TypedRequest = {}): VariantInput[] {
  if (flags.nodes !== undefined && flags.nodes > 0) return [wholeWorkers(flags.nodes, flags, [flags, inScript])];
  const time = timeOf(flags);
  const variants = join(givenVariants(flags, compat), givenVariants(inScript, compat), compat);
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
    resources: { ...resources, ...('cpus' in resources ? {} : { cpus: '1' }), ...queueOf(flags) },
    ...time,
    ...(weights.length === 0 ? {} : { weight: weights[index] ?? (weights[0] as number) }),
  }));
  refuseOverlaps(parseRequest(request.map((variant) => ({ nodes: 0, timeRequestMs: 0, weight: 1, ...variant }))));
  return request;
}

/** `--cpus` and `--resource` in the order typed. */
function typedList({ cpus: count, resource = [] }: TypedRequest): readonly TypedResource[] {
  return count === undefined || resource.some(({ flag }) => flag === '--cpus') ? resource : [{ flag: '--cpus', text: count }, ...resource];
}

/** @returns the alternatives of one place; none when it asks for nothing */
function givenVariants(typed: TypedRequest, compat: Compat): Record<string, string>[] {
  const list = typedList(typed);
  if (typed.variant === undefined) return list.length === 0 ? [] : typedVariants(list, compat);
  if (list.length > 0) throw new HqError('HQ_E_USAGE', { detail: `the argument '--variant' cannot be used with '${list[0]?.flag}'` });
  return typed.variant.map(explicitVariant);
}

/** Resources of both places belong to each alternative, those of the command line win; alternatives may come from one place only. */
function join(typed: Record<string, string>[], inScript: Record<string, string>[], compat: Compat): Record<string, string>[] {
  if (typed.length > 1 && inScript.length > 1)
    throw new HqError('HQ_E_USAGE', { detail: 'resource variants are given on the command line and in #HQ lines: give them in one place' });
  const [own = {}] = typed;
  const [other = {}] = inScript;
  const twice = Object.keys(own).find((name) => Object.hasOwn(other, name));
  if (compat.refuseRepeatedResource && twice !== undefined)
    throw new HqError('HQ_E_RESOURCE_REQUEST', { input: `${twice}=${other[twice]}`, detail: `Resource '${twice}' defined more than once` });
  if (typed.length > 1) return typed.map((variant) => ({ ...other, ...variant }));
  return inScript.length === 0 ? [own] : inScript.map((variant) => ({ ...variant, ...own }));
}

/** @param typed where flags that ask for single resources may stand */
function wholeWorkers(nodes: number, flags: RequestFlags, typed: readonly TypedRequest[]): VariantInput {
  const single = typed.flatMap((one) => [...(one.variant === undefined ? [] : ['--variant']), ...typedList(one).map(({ flag }) => flag)]);
  const other = single[0] ?? (flags.pin === undefined ? (flags.queue === undefined ? undefined : '--queue') : '--pin');
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

function queueOf({ queue }: RequestFlags): Record<string, string> {
  return queue === undefined ? {} : { [`${QUEUE_RESOURCE}${queue}`]: '1' };
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
