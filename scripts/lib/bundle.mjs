/**
 * src/ to dist/: one file per program and thread with everything in it, in CommonJS, which Node loads without the machinery of its modules, so that a
 * command opens two files instead of hundreds. Called by the build.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { build } from 'esbuild';
import { dist, inRoot, root } from './paths.mjs';
import { filesBelow } from './stamp.mjs';
import { Trouble } from './text.mjs';

/** What is started by its path, and of which module it is made. All other modules lie inside these files. */
const PROGRAMS = {
  'bin/service.js': 'bin/hq.ts',
  'bin/command.js': 'bin/hq.ts',
  'bin/hq.js': 'bin/load.ts',
  'bin/commandThread.js': 'bin/commandThread.ts',
  'server/journal/journalThread.js': 'server/journal/journalThread.ts',
  'server/outputThread.js': 'server/outputThread.ts',
};

/** Those that are the command line alone: src/bin/codeCache.ts says which commands are not run by them. */
const COMMAND_LINES = ['bin/command.js', 'bin/commandThread.js'];

/** Large libraries that few commands need, each a file of its own, read when it is needed. */
const LIBRARIES = { undici: 'lib/undici.js', yaml: 'lib/yaml.js', 'log-update': 'lib/log-update.js' };

/** Batch systems that know the server by types alone, in a form that a server loads like a module of the user's. */
const BATCH_SYSTEMS = { 'batch/gridengine.js': 'plugins/batch/gridengine/src/index.ts' };

/** Native code is not bundled: installed beside, found by Node at run time. */
const EXTERNAL = ['better-sqlite3', 'msgpackr-extract'];

/**
 * Builds and removes files of earlier builds.
 * @returns {Promise<string[]>} paths of everything that went into it, relative to the root of the repository
 */
export async function bundle() {
  const programs = Object.entries(PROGRAMS).map(([output, entry]) => {
    const plugins = COMMAND_LINES.includes(output) ? [besides(output), withoutServices] : [besides(output)];
    return buildFile(inRoot('src', entry), output, plugins);
  });
  const libraries = Object.entries(LIBRARIES).map(([name, output]) => buildFile(name, output, []));
  const batchSystems = Object.entries(BATCH_SYSTEMS).map(async ([output, entry]) => stranger(await buildFile(entry, output, [])));
  const built = await Promise.all([...programs, ...libraries, ...batchSystems]);
  // The sources are modules; what is made of them here is not.
  writeFileSync(join(dist, 'package.json'), '{ "type": "commonjs" }\n');
  for (const { outputs } of built) checkZod(outputs);
  removeStale(
    new Set([...Object.keys(PROGRAMS), ...Object.values(LIBRARIES), ...Object.keys(BATCH_SYSTEMS)].map((output) => join(dist, output))),
  );
  return [...new Set(built.flatMap(({ inputs }) => Object.keys(inputs)))];
}

/** Leaves the libraries where they are. */
function besides(output) {
  const names = new RegExp(`^(${Object.keys(LIBRARIES).join('|')})$`);
  const pathOf = (name) => relative(dirname(output), LIBRARIES[name]);
  return {
    name: 'besides',
    setup: ({ onResolve }) => onResolve({ filter: names }, ({ path }) => ({ path: pathOf(path), external: true })),
  };
}

/** Servers, workers, long comparisons and the dashboard are imported dynamically alone: a command that does so is none of these programs. */
const withoutServices = {
  name: 'without-services',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /\/(server|worker|tui)\/|\/commands\/(compare|dashboard)\.ts$/ }, ({ path, kind }) =>
      kind === 'dynamic-import' ? { path, namespace: 'service' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'service' }, ({ path }) => ({
      contents: `throw new Error(${JSON.stringify(`${path} is not in this program: SERVICE_WORDS in bin/codeCache.ts lacks the command`)});`,
    }));
  },
};

async function buildFile(entry, output, plugins) {
  const outfile = join(dist, output);
  mkdirSync(dirname(outfile), { recursive: true });
  // As if every module lay one folder below dist/: src/common/builtFile.ts counts on it.
  const place = `../${relative(dirname(outfile), dist)}/bundled/module.js`.replace(/^\.\.\//, '');
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    plugins,
    ...{ bundle: true, format: 'cjs', platform: 'node', target: 'node20.19' },
    // Modules where a library has both forms: what is not used of them stays away.
    mainFields: ['module', 'main'],
    external: EXTERNAL,
    define: { 'import.meta.url': 'hqModuleUrl' },
    banner: { js: `const hqModuleUrl = require('node:url').pathToFileURL(require('node:path').resolve(__dirname, '${place}')).href;` },
    // What is not there need not be read; names and some lines stay, for those who read a stack.
    ...{ minifyWhitespace: true, minifySyntax: true, lineLimit: 200, keepNames: false },
    // A script that is loaded with its compiled code has no `import()`.
    supported: { 'dynamic-import': false },
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    logOverride: { 'large-output': 'silent' },
  });
  return metafile;
}

/** One named import of `z` brings all its languages along, which doubles what a server has to read at its start. */
function checkZod(outputs) {
  const isForeign = ([path, { bytesInOutput }]) => bytesInOutput > 0 && /zod\/v4\/locales\/(?!en\.|index\.)/.test(path);
  if (Object.values(outputs).some(({ inputs }) => Object.entries(inputs).some(isForeign)))
    throw new Trouble("a module has not imported zod as a whole: import * as z from 'zod'");
}

/** A plugin that takes code of the server along would prove nothing about the interface. */
function stranger(metafile) {
  const own = Object.keys(metafile.inputs).find((path) => path.startsWith('src/'));
  if (own !== undefined) throw new Trouble(`a plugin imports more than types: ${own}`);
  return metafile;
}

/** dist/web has its own builder. */
function removeStale(fresh) {
  for (const file of filesBelow(dist)) {
    const isCode = /\.(js|js\.map|d\.ts|cache)$/.test(file) && !relative(dist, file).startsWith('web/');
    if (isCode && !fresh.has(resolve(file)) && existsSync(file)) rmSync(file);
  }
}
