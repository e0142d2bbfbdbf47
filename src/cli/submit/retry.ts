/** The flags of a submit that say what happens after a failure: how often, when, why and with how much memory a task is run again. */
import { HqError } from '../../protocol/errors.ts';
import { RETRY_REASONS } from '../../protocol/failureTerms.ts';
import type { RequestSpec } from '../../protocol/schema/resources.ts';
import type { TaskSpecInput } from '../../protocol/schema/task.ts';

export interface RetryFlags {
  readonly maxRetries?: number;
  /** Milliseconds. */
  readonly retryDelay?: number;
  /** As typed, e.g. `1,137,signal`. */
  readonly retryOn?: string;
  readonly retryMemFactor?: number;
}

type RetryFields = Pick<TaskSpecInput, 'maxRetries' | 'retryDelayMs' | 'retryOn' | 'retryMemFactor'>;

const MAX_CODE = 255;

/**
 * @param request of the same submit
 * @throws HqError HQ_E_USAGE for bad values, and for flags that would have no effect
 */
export function retryOf(flags: RetryFlags, request: readonly Pick<RequestSpec, 'resources'>[]): RetryFields {
  const { maxRetries, retryDelay, retryOn, retryMemFactor } = flags;
  const given = [
    ...(retryDelay === undefined ? [] : ['--retry-delay']),
    ...(retryOn === undefined ? [] : ['--retry-on']),
    ...(retryMemFactor === undefined ? [] : ['--retry-mem-factor']),
  ];
  if (given.length > 0 && (maxRetries ?? 0) === 0) {
    throw new HqError('HQ_E_USAGE', { detail: `the argument '${given[0]}' needs '--max-retries' above zero` });
  }
  if (retryMemFactor !== undefined && !request.some(({ resources }) => 'mem' in (resources ?? {}))) {
    throw new HqError('HQ_E_USAGE', { detail: "the argument '--retry-mem-factor' needs a request of 'mem', e.g. --resource mem=4GiB" });
  }
  return {
    ...(maxRetries === undefined ? {} : { maxRetries }),
    ...(retryDelay === undefined ? {} : { retryDelayMs: retryDelay }),
    ...(retryOn === undefined ? {} : { retryOn: reasonsOf(retryOn) }),
    ...(retryMemFactor === undefined ? {} : { retryMemFactor }),
  };
}

function reasonsOf(text: string): NonNullable<RetryFields['retryOn']> {
  return text.split(',').map((part) => {
    const word = part.trim();
    const code = /^\d+$/.test(word) ? Number(word) : 0;
    if (code >= 1 && code <= MAX_CODE) return code;
    const reason = RETRY_REASONS.find((known) => known === word);
    if (reason !== undefined) return reason;
    throw new HqError('HQ_E_USAGE', {
      detail: `invalid value '${word}' for '--retry-on': exit codes from 1 to ${MAX_CODE} and ${RETRY_REASONS.join(', ')} are expected`,
    });
  });
}
