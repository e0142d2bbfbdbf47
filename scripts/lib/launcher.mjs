/**
 * Compiles our C programs: hqspawn, which starts tasks, and hqfront, the command that asks the server. Called by the build, by the installation
 * of the package and by tests.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from './command.mjs';
import { dist, inRoot } from './paths.mjs';
import { lastLines, Trouble } from './text.mjs';

const FLAGS = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror'];
const packageFile = inRoot('package.json');

/** Sources below src/, which the package has in dist/, and what is said when they cannot be compiled. */
export const LAUNCHER = {
  source: 'worker/launcher/hqspawn.c',
  without: 'built without the native launcher, tasks are started by Node, which is slower',
};
export const FRONT = { source: 'bin/front/hqfront.c', without: 'every hq command starts Node, which is slower' };

/** Options for tests: the compiler's checks are built in. */
export const SANITIZED = { flags: ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'] };

/** @returns {Promise<boolean>} whether there is a C compiler */
export async function hasCompiler() {
  return (await run('cc', ['--version'])).code === 0;
}

/**
 * Compile a program, statically where the C library allows it: a static program forks and starts faster and runs on every node.
 * Without a compiler one line says so.
 * @param {{ source: string, without: string }} program
 * @param {string} target
 * @param {{ flags?: string[] }} [options] flags: instead of those that make it static
 * @returns {Promise<boolean>} whether it is there now
 * @throws Trouble when there is a compiler that refuses the source
 */
export async function buildProgram(program, target, options = {}) {
  const source = sourceOf(program);
  if (isFresh(target, source)) return true;
  if (!(await hasCompiler())) {
    console.error(`no C compiler (cc): ${program.without}`);
    return false;
  }
  mkdirSync(dirname(target), { recursive: true });
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8'));
  // Under another name first: the file may be running, and others may build it, too.
  const fresh = `${target}.${process.pid}`;
  try {
    let result;
    for (const variant of options.flags === undefined ? [['-static'], []] : [options.flags]) {
      result = await run('cc', [...FLAGS, `-DHQ_VERSION="${version}"`, ...variant, '-o', fresh, source]);
      if (result.code === 0) break;
    }
    if (result.code !== 0) throw new Trouble(`${lastLines(result.output, 30)}\ncc failed (exit code ${result.code})`);
    renameSync(fresh, target);
  } finally {
    rmSync(fresh, { force: true });
  }
  return true;
}

function sourceOf({ source }) {
  return existsSync(inRoot('src')) ? inRoot('src', source) : join(dist, source);
}

/** The version is compiled in. */
function isFresh(target, source) {
  return existsSync(target) && [source, packageFile].every((file) => statSync(target).mtimeMs >= statSync(file).mtimeMs);
}
