/** Which processes belong to which task, out of rows of /proc. Pure; called by the memory monitor. */

/** What `/proc/PID/stat` tells of a process, as far as it is needed. */
export interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Pages in memory. */
  readonly residentPages: number;
}

/** Places behind the name of the program, which may itself contain blanks and parentheses. */
const PARENT = 1;
const GROUP = 2;
const SESSION = 3;
const FLAGS = 6;
const RESIDENT = 21;

/** PF_KTHREAD of the kernel. */
const KERNEL_FLAG = 0x0020_0000;

/** @param text `/proc/PID/stat`; @returns `kernel` for a thread of the kernel, undefined for a text that is none */
export function parseStat(text: string): ProcessRow | 'kernel' | undefined {
  const nameEnd = text.lastIndexOf(')');
  const fields = text.slice(nameEnd + 2).split(' ');
  const pid = Number.parseInt(text, 10);
  if (nameEnd < 0 || fields.length <= RESIDENT || !Number.isInteger(pid)) return undefined;
  const at = (place: number): number => Number(fields[place]);
  if ((at(FLAGS) & KERNEL_FLAG) !== 0) return 'kernel';
  return { pid, parent: at(PARENT), group: at(GROUP), session: at(SESSION), residentPages: at(RESIDENT) };
}

/**
 * A process belongs to a task when it is in the session or group of the task's main process, or descends from such a process.
 * @param roots main processes of tasks, each the leader of its session
 * @returns the processes of each root that has any
 */
export function treesOf(rows: readonly ProcessRow[], roots: ReadonlySet<number>): Map<number, ProcessRow[]> {
  const byPid = new Map(rows.map((row) => [row.pid, row]));
  /** Root of a process; 0 for those of nobody. */
  const known = new Map<number, number>();
  const trees = new Map<number, ProcessRow[]>();
  for (const row of rows) {
    const root = rootOf(row, { byPid, known, roots });
    if (root === 0) continue;
    const tree = trees.get(root);
    if (tree === undefined) trees.set(root, [row]);
    else tree.push(row);
  }
  return trees;
}

interface Search {
  readonly byPid: ReadonlyMap<number, ProcessRow>;
  readonly known: Map<number, number>;
  readonly roots: ReadonlySet<number>;
}

/** Up the line of parents until one is known. Every process on the way then is, too, so that all together cost one visit each. */
function rootOf(start: ProcessRow, { byPid, known, roots }: Search): number {
  const way: number[] = [];
  let root = 0;
  for (let row: ProcessRow | undefined = start; row !== undefined; row = byPid.get(row.parent)) {
    const found = known.get(row.pid) ?? (roots.has(row.session) ? row.session : roots.has(row.group) ? row.group : undefined);
    if (found !== undefined) {
      root = found;
      break;
    }
    way.push(row.pid);
    // Rows are not read all at the same moment: a number that was used again meanwhile can close the line to a ring.
    known.set(row.pid, 0);
  }
  for (const pid of way) known.set(pid, root);
  return root;
}
