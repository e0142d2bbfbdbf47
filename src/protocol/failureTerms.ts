/** How attempts fail. Apart from the schemas, so that a short command does not load zod. */

/** `canceled` when it was ended because it is no longer wanted. */
export const FAILURE_KINDS = [
  'exit',
  'signal',
  'time-limit',
  'memory-limit',
  'spawn',
  'log',
  'worker-lost',
  'canceled',
  'internal',
] as const;

/** Failures, beside exit codes, that `--retry-on` can name: after the others a task is not run again, or is not by that option. */
export const RETRY_REASONS = ['signal', 'time-limit', 'memory-limit', 'spawn', 'log', 'internal'] as const;
