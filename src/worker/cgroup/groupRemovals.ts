/**
 * Control groups that are to go: killed and removed, at once or, while a process of them takes its time to end, at a later call. Owned by
 * `taskGroups.ts`.
 */
import { killAll, removeGroup } from './groupFiles.ts';

const FINISH_LIMIT_MS = 2_000;
const POLL_MS = 10;

interface Removal {
  readonly group: string;
  /** Monotonic, milliseconds: until then its processes may end by themselves. */
  readonly killFromMs: number;
}

export class GroupRemovals {
  private pending: Removal[] = [];

  /** @param graceMs how long processes in it may still run, milliseconds; 0 for those of a task that has ended */
  add(group: string, graceMs: number): void {
    const removal = { group, killFromMs: performance.now() + graceMs };
    if (!tryOnce(removal)) this.pending.push(removal);
  }

  /** Tries again what was not possible so far. */
  retry(): void {
    this.pending = this.pending.filter((removal) => !tryOnce(removal));
  }

  /** Waits until all are gone; what does not die, because it hangs in the kernel, for two seconds. */
  async finish(): Promise<void> {
    const deadlineMs = performance.now() + FINISH_LIMIT_MS;
    while (this.pending.length > 0 && performance.now() < deadlineMs) {
      await new Promise((done) => setTimeout(done, POLL_MS));
      this.retry();
    }
  }
}

function tryOnce({ group, killFromMs }: Removal): boolean {
  if (removeGroup(group)) return true;
  if (performance.now() < killFromMs) return false;
  killAll(group);
  return removeGroup(group);
}
