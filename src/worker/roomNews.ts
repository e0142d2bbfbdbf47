/**
 * When the server has to be told what is free on a worker, because it cannot know it from the updates of tasks: where groups or shares decide what
 * fits. Owned by the worker's state; asked by whoever sends frames.
 */
import type { Room } from '../protocol/schema/resources.ts';
import type { ResourcePool } from '../resources/pool.ts';
import type { HeldTable } from './heldTable.ts';

export class RoomNews {
  /** What is free has changed, or the server may have forgotten it, without an update of a task. */
  mustTell = false;
  private readonly pool: ResourcePool;
  private readonly held: HeldTable;
  /** The last frame has told it. */
  private tells = false;

  constructor(pool: ResourcePool, held: HeldTable) {
    this.pool = pool;
    this.held = held;
  }

  /**
   * For a frame of updates. Also once after the last task that made it matter.
   * @returns undefined when there is nothing to tell
   */
  take(): Room | undefined {
    const told = this.tells;
    this.tells = this.matters;
    this.mustTell = false;
    return told || this.tells ? this.pool.room() : undefined;
  }

  /** A frame is worth to be sent for this alone. */
  get isDue(): boolean {
    return this.mustTell && (this.tells || this.matters);
  }

  private get matters(): boolean {
    return this.pool.hasGroups || this.held.intricate > 0;
  }
}
