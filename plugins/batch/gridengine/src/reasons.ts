/** What Grid Engine's words mean, as sentences for people. Pure; used by the readers of its answers. Facts: qstat(1), sge_status(5), answers of 8.1.9. */
import type { AllocationOutcome, BatchReason } from '../../../../src/server/autoalloc/batchSystem.ts';

/** Messages of the scheduler, the most telling first: it says one per queue and host that it could not use. */
const MESSAGES: readonly (readonly [RegExp, string])[] = [
  [/cannot run in PE "(.+?)" because it only offers (-?\d+) slots/, 'its parallel environment $1 offers only $2 slots'],
  [
    /denied because it already reached its limit|exceeds limit .*in rule|max.*jobs? .*limit/i,
    'a limit of the site on jobs or resources is reached',
  ],
  [/requests unknown (?:resource|queue)/, 'it asks for a resource that no host has'],
  [/has no permission for (.+)/, 'its user may not use $1'],
  [/cannot run .*because it offers only (?:\w+:)?([^=\s]+)=(\S+)/, 'what it asks for is not free: there is only $1=$2'],
  [/dropped because it is (?:full|temporarily not available)/, 'all suitable slots are in use'],
  [/dropped because it is (?:overloaded|suspended|disabled)/, 'queues that it could use are overloaded, suspended or disabled'],
  [/job dependencies/, 'it waits for other jobs'],
  [/job is in hold state/i, 'it is held'],
  [/(?:start time|deadline|reservation)/i, 'its time has not come'],
];

/** @returns the most telling message; null when there is none */
export function messageReason(messages: readonly string[]): BatchReason | null {
  for (const [pattern, text] of MESSAGES) {
    for (const code of messages) {
      const match = pattern.exec(code);
      if (match !== null) return { code, text: text.replace(/\$(\d)/g, (_, group: string) => match[Number(group)] ?? '') };
    }
  }
  const first = messages[0];
  return first === undefined ? null : { code: first, text: 'its scheduler gives a reason' };
}

/** @param dependent on other jobs */
export function heldReason(id: string, dependent: boolean): BatchReason {
  return dependent
    ? { code: 'hold_jid', text: 'it waits for other jobs' }
    : { code: 'hold', text: `it is held; release it with: qrls ${id}` };
}

/** Such a job stays until somebody clears or deletes it. */
export function startError(id: string, errors: readonly string[]): BatchReason {
  // `11/26/2026 02:23:48 [0:149]: error: can't open output file`
  const why = (errors.at(-1) ?? 'Grid Engine does not say why').replace(/^\S+ [\d:]+ \[\d+:\d+\]: (?:error: )?/, '');
  return { code: 'error state', text: `it could not be started, ${why}; let it be tried again with: qmod -cj ${id}` };
}

/** `failed` of the accounting, where it does not mean that the script ended by itself. */
const FAILURES: ReadonlyMap<number, readonly [AllocationOutcome, string]> = new Map([
  [24, ['node failed', 'it was to move to another host']],
  [25, ['node failed', 'it was to be started again']],
  [26, ['launch failed', 'its output files could not be opened']],
  [27, ['launch failed', 'its shell was not found']],
  [28, ['launch failed', 'its directory could not be entered']],
  [37, ['timed out', 'a limit of time or memory was reached']],
]);
/** From here on the script has run. */
const AFTER_JOB = 12;
const BY_SIGNAL = 100;

/** @param code `failed` of a record; @returns null: it ended by itself */
export function failureOf(code: number): readonly [AllocationOutcome, string] | null {
  const known = FAILURES.get(code);
  if (known !== undefined) return known;
  if (code === 0 || code === BY_SIGNAL || (code >= AFTER_JOB && code <= 16)) return null;
  return code < AFTER_JOB || code === 21
    ? ['launch failed', 'it could not be started']
    : ['failed', 'Grid Engine could not end it in order'];
}
