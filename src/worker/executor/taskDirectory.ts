/**
 * The node-local directory of a multi-node task: made before it starts, with the names of its nodes in two files, as MPI launchers want them;
 * removed with all that is in it when the task has ended. Used by the executor.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { HeldTask } from '../heldTask.ts';

export interface TaskDirectory {
  /** Variables that tell the task about it and its nodes. */
  readonly vars: Readonly<Record<string, string>>;
  remove(): void;
}

/**
 * @param workDir the worker's own directory
 * @param nodes host names, the root first
 * @returns a sentence when it cannot be made; nothing is left then
 */
export function makeTaskDirectory(workDir: string, task: HeldTask, nodes: readonly string[]): TaskDirectory | string {
  let path: string | undefined;
  try {
    // For nobody but its owner.
    path = mkdtempSync(join(workDir, `task-${task.job}-${task.task}-${task.instance}-`));
    const [nodeFile, hostFile] = [join(path, 'hq-nodefile'), join(path, 'hq-hostfile')];
    writeFileSync(nodeFile, lines(nodes.map(shortName)), { mode: 0o600 });
    writeFileSync(hostFile, lines(nodes), { mode: 0o600 });
    const vars = { HQ_NUM_NODES: String(nodes.length), HQ_NODE_FILE: nodeFile, HQ_HOST_FILE: hostFile, HQ_TASK_DIR: path };
    return { vars, remove: () => remove(path as string) };
  } catch (error) {
    if (path !== undefined) remove(path);
    return `The directory of the task cannot be made: ${(error as Error).message}`;
  }
}

/** The name without its domain; an address has none. */
function shortName(host: string): string {
  return isIP(host) === 0 ? (host.split('.')[0] as string) : host;
}

function lines(names: readonly string[]): string {
  return names.map((name) => `${name}\n`).join('');
}

/** What a process that left its task still writes there must not fail the worker; the worker's directory goes with the worker. */
function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // The task's result stands.
  }
}
