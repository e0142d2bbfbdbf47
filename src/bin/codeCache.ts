/**
 * The two programs of `hq` with their compiled code: `command.js` is the command line alone, `service.js` has servers and workers, too, because reading
 * code that is not run costs time. The engine itself refuses a cache of another version or of another text. Used by `load.ts` and by the tests.
 */
import { readFileSync } from 'node:fs';
import { createRequire, wrap } from 'node:module';
import { dirname, join } from 'node:path';
import { Script } from 'node:vm';

export type Program = 'command' | 'service';

/** Names of the commands that start a server or a worker, try what those would do, or read what they keep, and of those that take minutes or draw on a terminal: all that are in `service.js` alone. */
const SERVICE_WORDS: ReadonlySet<string> = new Set([
  ...['start', 'hwdetect', 'doctor', 'validate', 'compare', 'dashboard'],
  ...['generate-access', 'recover', 'export', 'report'],
]);

/** @param argv arguments after `hq`; those of a task count, too, which costs a command some milliseconds and is never wrong */
export function programOf(argv: readonly string[]): Program {
  return argv.some((word) => SERVICE_WORDS.has(word)) ? 'service' : 'command';
}

/** @param directory of the programs */
export function programPath(directory: string, program: Program): string {
  return join(directory, `${program}.js`);
}

/** @param path of the script */
export function cachePath(path: string): string {
  return path.replace(/\.js$/, '.cache');
}

/**
 * Runs a script as `require` would, in its CommonJS form.
 * @param path absolute
 */
export function loadScript(path: string): void {
  const cachedData = readCache(cachePath(path));
  const script = new Script(wrap(readFileSync(path, 'latin1')), { filename: path, ...(cachedData === undefined ? {} : { cachedData }) });
  const module = { exports: {} };
  const run = script.runInThisContext() as (...scope: unknown[]) => void;
  run.call(module.exports, module.exports, createRequire(path), module, path, dirname(path));
}

function readCache(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
