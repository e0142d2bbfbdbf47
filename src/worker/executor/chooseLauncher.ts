/** Decides what starts the tasks of a worker. Called once by `runWorker`. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { builtFile } from '../../common/builtFile.ts';
import { HqError } from '../../protocol/errors.ts';
import type { Launcher } from './launcher.ts';
import { NativeLauncher } from './nativeLauncher.ts';
import { NodeLauncher } from './nodeLauncher.ts';

/** Where the build puts hqspawn. */
export const BUILT_PATH: string = fileURLToPath(builtFile('worker/launcher/hqspawn'));

export interface LauncherChoice {
  /** HQ_LAUNCHER: `native`, `node`, or `auto`, which is the default: native where it has been built and runs. */
  readonly setting: string | undefined;
  /** Node-local directory of this worker. */
  readonly directory: string;
  /** hqspawn; default: where the build puts it. */
  readonly path: string | undefined;
  warn(line: string): void;
  /** The launcher has died and could not be started again. */
  onBroken(why: string): void;
}

/** @throws HqError HQ_E_USAGE for an unknown setting, and for `native` when it cannot be had */
export async function chooseLauncher(o: LauncherChoice): Promise<Launcher> {
  const { setting = 'auto', directory, path = BUILT_PATH, onBroken } = o;
  if (setting === 'node') return new NodeLauncher(directory);
  if (setting !== 'native' && setting !== 'auto' && setting !== '')
    throw new HqError('HQ_E_USAGE', { detail: `HQ_LAUNCHER must be auto, native or node, not '${setting}'` });
  const required = setting === 'native';
  if (!existsSync(path)) {
    if (!required) return new NodeLauncher(directory);
    throw new HqError('HQ_E_USAGE', {
      detail: `HQ_LAUNCHER is native, but ${path} is missing: build with a C compiler, or use HQ_LAUNCHER=node`,
    });
  }
  try {
    return await NativeLauncher.start({ path, directory, onBroken });
  } catch (error) {
    const why = `${path} cannot be used: ${(error as Error).message}`;
    if (required) throw new HqError('HQ_E_USAGE', { detail: `HQ_LAUNCHER is native, but ${why}` }, { cause: error });
    o.warn(`${why}; tasks are started by Node, which is slower`);
    return new NodeLauncher(directory);
  }
}
