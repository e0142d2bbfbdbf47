/** Compiles hqspawn, the program that starts tasks. Called by the build and by its tests. */
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { run } from './command.mjs';
import { inRoot } from './paths.mjs';
import { lastLines, Trouble } from './text.mjs';

export const launcherSource = inRoot('src/worker/launcher/hqspawn.c');
const FLAGS = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror'];

/** @returns {Promise<boolean>} whether there is a C compiler */
export async function hasCompiler() {
  return (await run('cc', ['--version'])).code === 0;
}

/**
 * Compile hqspawn, statically where the C library allows it: a static program forks faster and runs on every node.
 * Without a compiler one line says so, and workers start tasks through Node.
 * @param {string} target
 * @param {{ flags?: string[] }} [options] flags: instead of those that make it static
 * @returns {Promise<boolean>} whether it is there now
 * @throws Trouble when there is a compiler that refuses the source
 */
export async function buildLauncher(target, options = {}) {
  if (isFresh(target)) return true;
  if (!(await hasCompiler())) {
    console.error('no C compiler (cc): built without the native launcher, tasks are started by Node, which is slower');
    return false;
  }
  mkdirSync(dirname(target), { recursive: true });
  // Under another name first: the file may be running, and others may build it, too.
  const fresh = `${target}.${process.pid}`;
  try {
    let result;
    for (const variant of options.flags === undefined ? [['-static'], []] : [options.flags]) {
      result = await run('cc', [...FLAGS, ...variant, '-o', fresh, launcherSource]);
      if (result.code === 0) break;
    }
    if (result.code !== 0) throw new Trouble(`${lastLines(result.output, 30)}\ncc failed (exit code ${result.code})`);
    renameSync(fresh, target);
  } finally {
    rmSync(fresh, { force: true });
  }
  return true;
}

function isFresh(target) {
  return existsSync(target) && statSync(target).mtimeMs >= statSync(launcherSource).mtimeMs;
}
