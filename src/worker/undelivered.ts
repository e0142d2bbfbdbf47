/**
 * Update frames that the server has not confirmed. They are numbered, kept until the acknowledgement, repeated after a reconnect, and written to a
 * spool file when the worker has to end without its server. Owned by the session.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { encodeFrame } from '../protocol/framing.ts';
import { type TaskKey, type TaskUpdate, UPDATE_NOTIFIED, UPDATE_RETRACTED, UPDATE_STARTED } from '../protocol/messages/worker.ts';
import { encodeFromWorker } from '../protocol/messages/workerCodec.ts';
import type { Room } from '../protocol/schema/resources.ts';
import { SPOOL_DIR } from '../protocol/serverFiles.ts';

interface Kept {
  readonly seq: number;
  updates: readonly TaskUpdate[];
  readonly room: Room | undefined;
  body: Buffer;
}

export class Undelivered {
  private kept: Kept[] = [];
  private lastSeq = 0;

  /** Sequence number of the newest frame; 0 before the first. */
  get newestSeq(): number {
    return this.lastSeq;
  }

  get isEmpty(): boolean {
    return this.kept.length === 0;
  }

  /**
   * Numbers and keeps a frame.
   * @param room what is free after these updates, if the server is to know
   * @returns its body
   */
  add(updates: readonly TaskUpdate[], room: Room | undefined): Buffer {
    this.lastSeq += 1;
    const body = encodeUpdates(this.lastSeq, updates, room);
    this.kept.push({ seq: this.lastSeq, updates, room, body });
    return body;
  }

  /** Everything up to this number is on the server's disk. */
  acknowledge(seq: number): void {
    let gone = 0;
    while (gone < this.kept.length && (this.kept[gone] as Kept).seq <= seq) gone += 1;
    if (gone > 0) this.kept.splice(0, gone);
  }

  /**
   * For a repetition after a reconnect. Tasks that were given back are left out: the server gives them out again because the worker does not
   * hold them, and a late "given back" would meet a task that has started here in between.
   * @returns the bodies in order, and the tasks whose end they tell
   */
  repeat(): { bodies: Buffer[]; ended: TaskKey[] } {
    const ended: TaskKey[] = [];
    for (const frame of this.kept) {
      if (frame.updates.some((update) => update[0] === UPDATE_RETRACTED)) {
        frame.updates = frame.updates.filter((update) => update[0] !== UPDATE_RETRACTED);
        frame.body = encodeUpdates(frame.seq, frame.updates, frame.room);
      }
      for (const [kind, job, task, instance] of frame.updates)
        if (kind !== UPDATE_STARTED && kind !== UPDATE_NOTIFIED) ended.push([job, task, instance]);
    }
    return { bodies: this.kept.map((frame) => frame.body), ended };
  }

  /**
   * Writes what is left beside the access file, in one step: the server sees a whole file or none.
   * @returns the file, or undefined when there is nothing to deliver; throws errors of the file system
   */
  spool(o: { accessPath: string; workerId: number; session: string }): string | undefined {
    if (this.kept.length === 0) return undefined;
    const directory = join(dirname(o.accessPath), SPOOL_DIR);
    const path = join(directory, `${o.workerId}-${o.session}.spool`);
    const temporary = `${path}.tmp`;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    try {
      writeFileSync(temporary, Buffer.concat(this.kept.map((frame) => encodeFrame(frame.body))), { mode: 0o600, flag: 'wx', flush: true });
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
    return path;
  }
}

function encodeUpdates(seq: number, updates: readonly TaskUpdate[], room: Room | undefined): Buffer {
  return encodeFromWorker(room === undefined ? ['updates', seq, updates] : ['updates', seq, updates, room]);
}
