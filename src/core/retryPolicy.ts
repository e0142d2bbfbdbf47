/**
 * What happens to a task that has failed: how often, when and with how much memory it is run again. Equal policies are one number per row, so
 * that tasks pay nothing for what they do not use. Interned at submit, asked by the reactor when an attempt has failed.
 */
import type { AttemptFailure } from '../protocol/messages/worker.ts';
import type { ResourceRequest } from '../protocol/schema/resources.ts';
import type { FailureKind } from '../protocol/schema/task.ts';

/** Failures that are worth another attempt. */
export interface RetryOn {
  readonly codes: readonly number[];
  /** Names like SIGKILL. */
  readonly signals: readonly string[];
  readonly kinds: readonly FailureKind[];
}

export interface RetryPolicy {
  readonly maxRetries: number;
  /** Time between a failure and the next attempt, milliseconds. */
  readonly delayMs: number;
  /** Null: whatever the failure. */
  readonly on: RetryOn | null;
  /** The `mem` request of every variant is multiplied by this at each retry; 1 leaves it alone. */
  readonly memFactor: number;
}

/** The policy of tasks that are not run again; number 0 of every table. */
export const NO_RETRIES: RetryPolicy = { maxRetries: 0, delayMs: 0, on: null, memFactor: 1 };

const MEMORY = 'mem';
/** Amounts are safe integers; far above every machine. */
const MAX_UNITS = 2 ** 50;

/** Policies as small integers. */
export class RetryPolicies {
  private readonly byKey = new Map<string, number>();
  private readonly list: RetryPolicy[] = [NO_RETRIES];

  /** @returns the number of the policy; equal ones have the same */
  intern(policy: RetryPolicy): number {
    if (policy === NO_RETRIES) return 0;
    const key = JSON.stringify(policy);
    let id = this.byKey.get(key);
    if (id === undefined) {
      id = this.list.push(policy) - 1;
      this.byKey.set(key, id);
    }
    return id;
  }

  /** @throws Error for a number that was never given out (a defect). */
  get(id: number): RetryPolicy {
    const policy = this.list[id];
    if (policy === undefined) throw new Error(`unknown retry policy ${id}`);
    return policy;
  }
}

/** @param retries how often the task was run again so far */
export function mayRetry(policy: RetryPolicy, retries: number, failure: AttemptFailure): boolean {
  if (retries >= policy.maxRetries) return false;
  const { on } = policy;
  if (on === null || on.kinds.includes(failure.kind)) return true;
  if (failure.kind === 'exit') return failure.exitCode !== null && on.codes.includes(failure.exitCode);
  return failure.kind === 'signal' && failure.signal !== null && on.signals.includes(failure.signal);
}

/**
 * @param times number of retries; the same result as growing one by one, so that a restart finds the request that the task had
 * @returns the request with more memory in every variant that asks for an amount of it; rounded up to 1/10,000 MiB
 */
export function grownRequest(request: ResourceRequest, factor: number, times: number): ResourceRequest {
  const grow = (units: number): number => {
    let grown = units;
    for (let i = 0; i < times && grown < MAX_UNITS; i += 1) grown = Math.min(MAX_UNITS, Math.ceil(grown * factor));
    return grown;
  };
  const variants = request.variants.map((variant) => ({
    ...variant,
    entries: variant.entries.map((entry) => {
      if (entry.name !== MEMORY || entry.policy === 'all') return entry;
      const most = entry.maxUnits === undefined ? {} : { maxUnits: grow(entry.maxUnits) };
      return { ...entry, units: grow(entry.units), ...most };
    }),
  }));
  return { variants };
}
