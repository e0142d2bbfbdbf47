/**
 * Gives memory back after a large job: its columns are garbage, but they lie outside the heap that the engine watches, and an idle server
 * allocates nothing that would make it look. Called by the server when jobs have completed.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * The turn that freed them must be over, and its answers gone, milliseconds. Later times free what the first could not: memory outside the heap is
 * given back a moment after its owner was collected, and pages of the heap once they have stayed empty.
 */
const DELAYS_MS = [200, 500, 1_000] as const;

/** What a collection takes (some 30 ms) is worth this much: columns of half a million tasks, rows. */
const WORTH_ROWS = 500_000;

export class MemoryReturn {
  private readonly collect: () => void;
  private seenRows = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @param collect default: the engine's garbage collector */
  constructor(collect: () => void = collectNow) {
    this.collect = collect;
  }

  /** @param givenBackRows of the task table */
  review(givenBackRows: number): void {
    if (givenBackRows - this.seenRows < WORTH_ROWS || this.timer !== undefined) return;
    this.seenRows = givenBackRows;
    this.collectAfter(DELAYS_MS);
  }

  private collectAfter([delayMs, ...rest]: readonly number[]): void {
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.collect();
      if (rest.length > 0) this.collectAfter(rest);
    }, delayMs);
    // It keeps no server alive that ends.
    this.timer.unref();
  }
}

/**
 * Node hands the collector out only under a flag, which may be set while it runs. Not before it is needed: code that was compiled under other flags
 * (bin/codeCache.ts) is refused.
 */
export function collectNow(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
