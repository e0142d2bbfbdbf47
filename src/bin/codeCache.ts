/**
 * The program with its compiled code: `main.js` and beside it one cache for commands and one for servers and workers, because reading code that is not
 * run costs time, too. The engine itself refuses a cache of another version or of another text. Used by `load.ts` and by the build.
 */
import { readFileSync } from 'node:fs';
import { wrap } from 'node:module';
import { join } from 'node:path';
import { Script } from 'node:vm';

export type CacheKind = 'command' | 'service';

/** @param directory of main.js */
export function cachePath(directory: string, kind: CacheKind): string {
  return join(directory, `main.${kind}.cache`);
}

/** @param argv arguments after `hq` */
export function cacheKind(argv: readonly string[]): CacheKind {
  return argv.includes('start') && (argv.includes('server') || argv.includes('worker')) ? 'service' : 'command';
}

/**
 * Runs main.js as Node would.
 * @returns the compiled script, and what main.js exports
 */
export function loadProgram(directory: string): { script: Script; exports: unknown } {
  const filename = join(directory, 'main.js');
  const cachedData = readCache(cachePath(directory, cacheKind(process.argv.slice(2))));
  const script = new Script(wrap(readFileSync(filename, 'latin1')), { filename, ...(cachedData === undefined ? {} : { cachedData }) });
  const module = { exports: {} };
  const run = script.runInThisContext() as (...scope: unknown[]) => void;
  run.call(module.exports, module.exports, require, module, filename, directory);
  return { script, exports: module.exports };
}

function readCache(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
