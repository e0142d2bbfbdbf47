/** Entry of the plugin, loaded by the server for `hq alloc add gridengine`. Of hq-bridge it knows types alone; everything else comes through the host. */
import type { BatchHost, BatchSystem } from '../../../../src/server/autoalloc/batchSystem.ts';
import { GridEngine } from './gridEngine.ts';

/** @returns Grid Engine, whose commands are run by the host */
export default function makeGridEngine(host: BatchHost): BatchSystem {
  return new GridEngine(host);
}
