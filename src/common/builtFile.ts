/**
 * Where the build has put files that are started or loaded by their path: entries of threads, C programs. Used by those who start them.
 */

/**
 * @param path below the root of the build, which mirrors src/: `server/outputThread.js`
 * @returns its address, whichever chunk of the bundle this module is in: all of them lie one folder below the root, like this source
 */
export function builtFile(path: string): URL {
  return new URL(`../${path}`, import.meta.url);
}
