/** Where things are in this repository. Used by every script. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const inRoot = (...parts) => join(root, ...parts);

export const dist = inRoot('dist');
export const hq = inRoot('dist/bin/hq.js');
/** The command that asks the server first; only where there is a C compiler. */
export const hqfront = inRoot('dist/bin/hqfront');
/** Holds a link called `hq`; on the path of what looks for the command by its name. */
export const commandFolder = inRoot('build/bin');
export const venv = inRoot('.venv');
export const venvBin = (program) => join(venv, 'bin', program);
/** Git-ignored: work directories, test reports, logs of the scripts. */
export const build = inRoot('build');
export const pipeline = inRoot('fixtures/phage');
/** Our own Python distributions, in the order of their dependencies. */
export const distributions = [inRoot('python-shim'), inRoot('plugins/snakemake')];
