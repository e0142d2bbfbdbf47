/** `npm run build`: src/ to dist/. Compiles, takes along what is not TypeScript, builds the launcher and removes what no longer has a source. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { mustRun } from './lib/command.mjs';
import { buildLauncher } from './lib/launcher.mjs';
import { commandFolder, dist, hq, inRoot } from './lib/paths.mjs';
import { filesBelow } from './lib/stamp.mjs';
import { main } from './lib/text.mjs';

const src = inRoot('src');
const ASSET = /\.(c|sql)$/;
const COMPILED = /\.(js|js\.map|d\.ts)$/;

function copyAssets() {
  for (const asset of filesBelow(src).filter((file) => ASSET.test(file))) {
    const target = join(dist, relative(src, asset));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(asset, target);
  }
}

/** A module that was renamed must not stay importable under its old name. dist/web has its own builder. */
function removeStale() {
  const isWeb = (file) => relative(dist, file).startsWith('web/');
  for (const file of filesBelow(dist).filter((name) => COMPILED.test(name) && !isWeb(name))) {
    const source = join(src, relative(dist, file).replace(COMPILED, '.ts'));
    if (!existsSync(source) && !existsSync(`${source}x`)) rmSync(file);
  }
}

function linkCommand() {
  chmodSync(hq, 0o755);
  mkdirSync(commandFolder, { recursive: true });
  const link = join(commandFolder, 'hq');
  rmSync(link, { force: true });
  symlinkSync(relative(commandFolder, hq), link);
}

await main(async () => {
  await mustRun('tsc', process.execPath, [inRoot('node_modules/typescript/bin/tsc'), '-p', inRoot('tsconfig.json')], { show: true });
  copyAssets();
  removeStale();
  await buildLauncher(join(dist, 'worker/launcher/hqspawn'));
  if (existsSync(hq)) linkCommand();
  return 0;
});
