/**
 * Scripts with their compiled code. `hq` is two programs, `command.js`, the command line alone, and `service.js`, with servers and workers, too, because
 * reading code that is not run costs time; large libraries lie beside them. The engine itself refuses a cache of another version or of another text.
 * Used by `load.ts`, by what the build puts in the place of the import of such a library, and by the tests.
 */
import { readFileSync } from 'node:fs';
import { createRequire, wrap } from 'node:module';
import { dirname, join } from 'node:path';
import { Script } from 'node:vm';

export type Program = 'command' | 'service';

/** Names of the commands that start a server or a worker, or try what those would do: all that import these layers. */
const SERVICE_WORDS: ReadonlySet<string> = new Set(['start', 'hwdetect', 'doctor', 'validate']);

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

/** What was loaded here, by path: the build asks for the code that was compiled meanwhile. */
export const loadedScripts = new Map<string, Script>();

/**
 * Runs a script as `require` would, in its CommonJS form.
 * @param path absolute
 * @returns what it exports
 */
export function loadScript(path: string): unknown {
  const cachedData = readCache(cachePath(path));
  const script = new Script(wrap(readFileSync(path, 'latin1')), { filename: path, ...(cachedData === undefined ? {} : { cachedData }) });
  loadedScripts.set(path, script);
  const module = { exports: {} };
  const run = script.runInThisContext() as (...scope: unknown[]) => void;
  run.call(module.exports, module.exports, createRequire(path), module, path, dirname(path));
  return module.exports;
}

function readCache(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
