/**
 * How many processes the kernel has killed for lack of memory in the control group of this worker. The count explains a SIGKILL that nobody
 * here has sent. Owned by the worker.
 */
import { join } from 'node:path';
import { ownGroup } from '../detect/cgroup.ts';
import type { HostFiles } from '../detect/hostFiles.ts';
import type { TaskEnd } from '../heldTask.ts';

/** Exit code of a shell whose command was ended by SIGKILL. */
const KILLED_BELOW_SHELL = 128 + 9;

export class OomKills {
  private readonly files: HostFiles;
  /** The file that counts; undefined where nothing does, as in a root group. */
  private readonly path: string | undefined;
  private seen: number;

  constructor(files: HostFiles) {
    this.files = files;
    const candidates = [
      ...ownGroup(files, { controller: '', mount: '/sys/fs/cgroup' }).map((group) => join(group, 'memory.events')),
      ...ownGroup(files, { controller: 'memory', mount: '/sys/fs/cgroup/memory' }).map((group) => join(group, 'memory.oom_control')),
    ];
    this.path = candidates.find((path) => this.count(path) !== undefined);
    this.seen = this.path === undefined ? 0 : (this.count(this.path) as number);
  }

  /**
   * @param end of a task that was not stopped from here
   * @returns the same end, marked when the kernel has killed a process meanwhile; each such kill explains one task
   */
  explain(end: TaskEnd): TaskEnd {
    if (end.kind !== 'signal' && end.kind !== 'exit') return end;
    const isKill = end.kind === 'signal' ? end.signal === 'SIGKILL' : end.code === KILLED_BELOW_SHELL;
    return isKill && this.take() ? { ...end, outOfMemory: true } : end;
  }

  private take(): boolean {
    if (this.path === undefined || (this.count(this.path) ?? 0) <= this.seen) return false;
    this.seen += 1;
    return true;
  }

  private count(path: string): number | undefined {
    const found = /^oom_kill (\d+)$/m.exec(this.files.read(path) ?? '')?.[1];
    return found === undefined ? undefined : Number(found);
  }
}
