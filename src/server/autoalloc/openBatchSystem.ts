/**
 * Finds the batch system that a name means: a built-in one, a plugin of ours, or a module of the user's (`plugin:PATH`). Called by the allocation
 * service for each kind of queue.
 */
import { createRequire } from 'node:module';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtFile } from '../../common/builtFile.ts';
import { HqError } from '../../protocol/errors.ts';
import { type BatchHostOptions, makeBatchHost } from './batchHost.ts';
import type { BatchSystem, BatchSystemFactory } from './batchSystem.ts';
import { makeLocal } from './local.ts';
import { makePbs } from './pbs.ts';
import { makeSlurm } from './slurm.ts';

const BUILT_IN: Readonly<Record<string, { readonly title: string; readonly make: BatchSystemFactory }>> = {
  slurm: { title: 'Slurm', make: makeSlurm },
  pbs: { title: 'PBS', make: makePbs },
  local: { title: 'this host', make: makeLocal },
};

/** In `plugins/batch` of the repository, each built into one file; they know no more of the server than a user's module does. */
const PACKAGED: Readonly<Record<string, string>> = { gridengine: 'Grid Engine' };

const PLUGIN_PREFIX = 'plugin:';

/** What a batch system has to have before it is trusted with calls. */
const METHODS = ['script', 'submit', 'find', 'poll', 'cancel', 'explain', 'estimateStarts'] as const;

export interface OpenOptions extends Omit<BatchHostOptions, 'title' | 'directory'> {
  /** Batch systems keep their files in directories below it. */
  readonly directory: string;
}

/**
 * @param name `slurm`, `pbs`, `local`, `gridengine`, or `plugin:` and the absolute path of a module
 * @throws HqError HQ_E_BATCH_SYSTEM
 */
export function openBatchSystem(name: string, { directory, ...host }: OpenOptions): BatchSystem {
  const known = Object.hasOwn(BUILT_IN, name) ? BUILT_IN[name] : undefined;
  if (known !== undefined) return known.make(makeBatchHost({ ...host, title: known.title, directory: join(directory, name) }));
  const packaged = Object.hasOwn(PACKAGED, name) ? PACKAGED[name] : undefined;
  const path = packaged === undefined ? modulePath(name) : fileURLToPath(builtFile(`batch/${name}.js`));
  const factory = load(name, path);
  let system: BatchSystem;
  try {
    system = factory(
      makeBatchHost({ ...host, title: packaged ?? path, directory: join(directory, name.replaceAll(/[^A-Za-z0-9._-]/g, '_')) }),
    );
  } catch (error) {
    throw unusable(name, `it cannot be started: ${(error as Error).message}`, error);
  }
  const missing = METHODS.filter((method) => typeof system?.[method] !== 'function');
  if (missing.length > 0) throw unusable(name, `what it makes has no ${missing.join(', ')}`);
  return system;
}

function modulePath(name: string): string {
  if (!name.startsWith(PLUGIN_PREFIX)) throw unusable(name, 'there is no such batch system');
  const path = name.slice(PLUGIN_PREFIX.length);
  if (!isAbsolute(path)) throw unusable(name, 'the path of a plugin must be absolute');
  return path;
}

/** `require` loads ES modules, too, and is what a bundle has. */
function load(name: string, path: string): BatchSystemFactory {
  let loaded: { readonly default?: unknown };
  try {
    loaded = createRequire(import.meta.url)(path) as typeof loaded;
  } catch (error) {
    throw unusable(name, `its module cannot be loaded: ${(error as Error).message.split('\n')[0]}`, error);
  }
  if (typeof loaded.default !== 'function') throw unusable(name, `${path} has no default export that is a function`);
  return loaded.default as BatchSystemFactory;
}

function unusable(name: string, detail: string, cause?: unknown): HqError {
  return new HqError('HQ_E_BATCH_SYSTEM', { name, detail }, { cause });
}
