/**
 * The node-local directory of a task that has asked for one, and of every multi-node task: made before the task starts, with the names of its
 * nodes in two files, as MPI launchers want them; removed with all that is in it when the task has ended. Used by the executor.
 */
import { closeSync, constants, fstatSync, mkdtempSync, openSync, readSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { HeldTask } from '../heldTask.ts';

/** Longest message that a task may leave about its failure, bytes; as in the original. */
const MESSAGE_BYTES = 2_048;

export interface TaskDirectory {
  /** Variables that tell the task about it and its nodes. */
  readonly vars: Readonly<Record<string, string>>;
  /** @returns what the task has written to the file named in HQ_ERROR_FILENAME, cut at 2 KiB; null when there is no such file */
  errorMessage(): string | null;
  remove(): void;
}

/**
 * @param workDir the worker's own directory
 * @returns a sentence when it cannot be made; nothing is left then
 */
export function makeTaskDirectory(workDir: string, task: HeldTask): TaskDirectory | string {
  let path: string | undefined;
  try {
    // For nobody but its owner.
    path = mkdtempSync(join(workDir, `task-${task.job}-${task.task}-${task.instance}-`));
    const errorFile = join(path, 'hq-error');
    const vars = { HQ_TASK_DIR: path, HQ_ERROR_FILENAME: errorFile, ...(task.nodes === null ? {} : nameNodes(path, task.nodes)) };
    return { vars, errorMessage: () => readMessage(errorFile), remove: () => remove(path as string) };
  } catch (error) {
    if (path !== undefined) remove(path);
    return `The directory of the task cannot be made: ${(error as Error).message}`;
  }
}

/** @param nodes host names, the root first */
function nameNodes(path: string, nodes: readonly string[]): Record<string, string> {
  const [nodeFile, hostFile] = [join(path, 'hq-nodefile'), join(path, 'hq-hostfile')];
  writeFileSync(nodeFile, lines(nodes.map(shortName)), { mode: 0o600 });
  writeFileSync(hostFile, lines(nodes), { mode: 0o600 });
  return { HQ_NUM_NODES: String(nodes.length), HQ_NODE_FILE: nodeFile, HQ_HOST_FILE: hostFile };
}

/** The name without its domain; an address has none. */
function shortName(host: string): string {
  return isIP(host) === 0 ? (host.split('.')[0] as string) : host;
}

function lines(names: readonly string[]): string {
  return names.map((name) => `${name}\n`).join('');
}

/** The task may have put anything there: a pipe or a link to a device must not hold the worker up. */
function readMessage(path: string): string | null {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return null;
  }
  try {
    if (!fstatSync(file).isFile()) return null;
    const bytes = Buffer.alloc(MESSAGE_BYTES + 1);
    const length = readSync(file, bytes, 0, bytes.length, 0);
    if (length === 0) return 'The task has failed and left an empty error message.';
    if (length <= MESSAGE_BYTES) return bytes.toString('utf8', 0, length);
    // As a stream, so that half a character at the cut is left out.
    return `${new TextDecoder().decode(bytes.subarray(0, MESSAGE_BYTES), { stream: true })}\n[The message was truncated]`;
  } catch {
    return null;
  } finally {
    closeSync(file);
  }
}

/** What a process that left its task still writes there must not fail the worker; the worker's directory goes with the worker. */
function remove(path: string): void {
  try {
    rmdirSync(path);
    return;
  } catch {
    // The task has left something there; most leave nothing, and to look through all that there might be takes longer than a short task.
  }
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // The task's result stands.
  }
}
