/**
 * src/ to dist/: one module per entry and per dynamic import, everything in it, so that a command opens a few files instead of hundreds.
 * Called by the build.
 */
import { existsSync, rmSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { build } from 'esbuild';
import { dist, inRoot, root } from './paths.mjs';
import { filesBelow } from './stamp.mjs';
import { Trouble } from './text.mjs';

/** Modules that are started or imported by their path. Others can be reached from them only, and have no names of their own in dist/. */
const ENTRIES = ['bin/hq.ts', 'bin/commandThread.ts', 'server/journal/journalThread.ts', 'server/outputThread.ts'];

/** Native code is not bundled: installed beside, found by Node at run time. */
const EXTERNAL = ['better-sqlite3', 'msgpackr-extract'];

/** Libraries in CommonJS ask for Node's modules with `require`, which modules do not have. */
const REQUIRE = "import { createRequire as hqCreateRequire } from 'node:module';\nconst require = hqCreateRequire(import.meta.url);";

/**
 * Builds and removes modules of earlier builds.
 * @returns {Promise<string[]>} paths of everything that went into it, relative to the root of the repository
 */
export async function bundle() {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ENTRIES.map((entry) => inRoot('src', entry)),
    outbase: inRoot('src'),
    outdir: dist,
    // All one folder below dist/: src/common/builtFile.ts counts on it.
    chunkNames: 'chunks/[name]-[hash]',
    ...{ bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node20.19' },
    // Modules where a library has both forms: what is not used of them stays away.
    mainFields: ['module', 'main'],
    external: EXTERNAL,
    banner: { js: REQUIRE },
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    logOverride: { 'large-output': 'silent' },
  });
  checkZod(metafile.outputs);
  removeStale(new Set(Object.keys(metafile.outputs).map((path) => resolve(root, path))));
  return Object.keys(metafile.inputs);
}

/** One named import of `z` brings all its languages along, which doubles what a server has to read at its start. */
function checkZod(outputs) {
  const isForeign = ([path, { bytesInOutput }]) => bytesInOutput > 0 && /zod\/v4\/locales\/(?!en\.|index\.)/.test(path);
  if (Object.values(outputs).some(({ inputs }) => Object.entries(inputs).some(isForeign)))
    throw new Trouble("a module has not imported zod as a whole: import * as z from 'zod'");
}

/** dist/web has its own builder. */
function removeStale(fresh) {
  for (const file of filesBelow(dist)) {
    const isCode = /\.(js|js\.map|d\.ts)$/.test(file) && !relative(dist, file).startsWith('web/');
    if (isCode && !fresh.has(file) && existsSync(file)) rmSync(file);
  }
}
