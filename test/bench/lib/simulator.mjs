/**
 * Makes the program of the simulated workers: they speak the workers' protocol, which dist/ does not offer to anybody, so the sources of
 * connection and codec are bundled with them. Called by cluster.mjs.
 */
import { join } from 'node:path';
import { build as bundle } from 'esbuild';
import { build, inRoot } from '../../../scripts/lib/paths.mjs';

let bundled;

/** @returns {Promise<string>} path of the program, bundled once per run */
export function simulatorProgram() {
  bundled ??= (async () => {
    const outfile = join(build, 'bench/simulatedWorkers.mjs');
    const entryPoints = [inRoot('test/bench/lib/simulatedWorkers.mjs')];
    await bundle({ entryPoints, outfile, bundle: true, format: 'esm', platform: 'node', packages: 'external' });
    return outfile;
  })();
  return bundled;
}
