/** Compiles and imports modules of src/, and prints JSON as it is kept in the repository. Used by the generators. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { inRoot } from '../lib/paths.mjs';

/** Modules whose tables become documents. */
const MODULES = ['protocol/errors.ts', 'server/api/models.ts', 'server/api/openapi.ts'];

/** @returns {Promise<string>} a folder below which they are found under their names, ending in .js */
export async function compile() {
  const src = inRoot('src');
  const outdir = inRoot('build/generate');
  const entryPoints = MODULES.map((module) => resolve(src, module));
  await build({ entryPoints, outbase: src, outdir, bundle: true, splitting: true, format: 'esm', platform: 'node', packages: 'external' });
  return outdir;
}

export const compiled = (folder, module) => import(pathToFileURL(resolve(folder, module)).href);

export const jsonText = (value) => `${JSON.stringify(value, null, 2)}\n`;
