/**
 * Makes the code caches of dist/: runs the program for a moment as its users do, a server with a worker and some commands, and keeps what the engine
 * has compiled. In a process of its own. Called by the build and by the installation of the package.
 */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.mjs';
import { dist, inRoot } from './paths.mjs';

const LIMIT_MS = 60_000;
const KINDS = ['command', 'service'];

/**
 * Without them everything runs, only slower to start: what goes wrong here is told in one line.
 * @returns {Promise<boolean>} whether they are there
 */
export async function makeCodeCaches() {
  const path = (kind) => join(dist, `bin/${kind}.cache`);
  for (const kind of KINDS) rmSync(path(kind), { force: true });
  const results = await Promise.all(
    KINDS.map((kind) => run(process.execPath, [inRoot('scripts/warmUp.cjs'), kind], { limitMs: LIMIT_MS, env: { HQ_LAUNCHER: 'node' } })),
  );
  const failed = results.find(({ code }, i) => code !== 0 || !existsSync(path(KINDS[i])));
  if (failed !== undefined) console.error(`no code cache, hq starts slower: ${failed.output.trim().split('\n').at(-1)}`);
  return failed === undefined;
}
