/**
 * What a reader has to say about a log that is not whole: one line each, naming file and offset. The command line prints them on stderr.
 */

export interface Notice {
  readonly file: string;
  /** Of the first byte concerned. */
  readonly offset: number;
  readonly bytes: number;
  /**
   * `damaged`: bytes that are no intact record, or a record whose payload does not fit its checksum.
   * `cut`: the file ends within a record: it is being written, or its writer died.
   * `skipped`: a file that is named like a log but is none.
   * `incomplete`: less of a finished task is there than its end record says.
   */
  readonly kind: 'damaged' | 'cut' | 'skipped' | 'incomplete';
  /** The line to show. */
  readonly text: string;
}

export type OnNotice = (notice: Notice) => void;

export function damagedNotice(file: string, offset: number, bytes: number): Notice {
  return { file, offset, bytes, kind: 'damaged', text: `${file}: ${bytes} bytes at offset ${offset} are damaged and left out` };
}

export function cutNotice(file: string, offset: number, bytes: number): Notice {
  const text = `${file}: the record at offset ${offset} is incomplete (${bytes} bytes so far); the log is being written or was cut off`;
  return { file, offset, bytes, kind: 'cut', text };
}

export function skippedNotice(file: string, detail: string): Notice {
  return { file, offset: 0, bytes: 0, kind: 'skipped', text: `${file}: skipped, ${detail}` };
}

export function incompleteNotice(o: { file: string; offset: number; taskId: number; bytes: number }): Notice {
  const text = `${o.file}: task ${o.taskId} lacks ${o.bytes} bytes of its output (end record at offset ${o.offset})`;
  return { file: o.file, offset: o.offset, bytes: o.bytes, kind: 'incomplete', text };
}
