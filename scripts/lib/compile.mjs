/**
 * Makes modules of src/ importable under their own names, which they do not have in the bundle. Called by the generators and by the benchmarks,
 * which look at more than users can import.
 */
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { inRoot } from './paths.mjs';

/**
 * @param {string} name of a folder below build/
 * @param {string[]} modules paths below src/, ending in .ts
 * @returns {Promise<(module: string) => Promise<object>>} imports one of them by its path, which ends in .js
 */
export async function compile(name, modules) {
  const outdir = inRoot('build', name);
  const entryPoints = modules.map((module) => inRoot('src', module));
  const form = { bundle: true, splitting: true, format: 'esm', platform: 'node', packages: 'external' };
  await build({ entryPoints, outbase: inRoot('src'), outdir, ...form });
  return (module) => import(pathToFileURL(`${outdir}/${module}`).href);
}
