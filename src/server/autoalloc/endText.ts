/** How an allocation ended, as a sentence without a full stop. Used in lists, events and reasons of paused queues. Pure. */
import type { AllocationRecord, CancelReason } from './allocation.ts';

const CANCELED: Readonly<Record<CancelReason, string>> = {
  useless: 'canceled by the server: nothing waited for it any more',
  hopeless: 'canceled by the server: it would never have started',
  removed: 'canceled by the server: its queue was removed',
  'server-stop': 'canceled by the server, which was stopped',
};

/** @param allocation one that has ended */
export function endText({ batchId, cancel, everConnected, statusText }: AllocationRecord): string {
  if (cancel !== null) return cancel === 'hopeless' && statusText !== null ? `${CANCELED.hopeless}; ${statusText}` : CANCELED[cancel];
  if (batchId === null) return `it was not accepted${statusText === null ? '' : `: ${statusText}`}`;
  const text = statusText ?? 'it has ended';
  return everConnected > 0 ? text : `${text}; no worker of it had connected, see: hq alloc log ${batchId} stderr`;
}
