/**
 * Runs when npm installs the package: keeps the compiled code of its program, compiles its C programs where there is a compiler, and makes the front the command `hq`. Without one, or
 * where npm runs no scripts, everything works, only slower. In a checkout there is nothing to do: the build does it.
 */
import { copyFileSync, existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { makeCodeCaches } from './lib/codeCache.mjs';
import { buildProgram, FRONT, LAUNCHER } from './lib/launcher.mjs';
import { dist, hqfront, inRoot } from './lib/paths.mjs';

/** @param {() => Promise<boolean>} work nothing that fails here may fail the installation */
async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    console.error(`hq-bridge: ${error.message}`);
    return false;
  }
}

if (!existsSync(inRoot('src'))) {
  await attempt(makeCodeCaches);
  await attempt(() => buildProgram(LAUNCHER, join(dist, 'worker/launcher/hqspawn')));
  if (await attempt(() => buildProgram(FRONT, hqfront))) {
    // Replaced as a whole, under the name that npm has linked to.
    copyFileSync(hqfront, `${hqfront}.new`);
    renameSync(`${hqfront}.new`, join(dist, 'bin/hq'));
  }
}
