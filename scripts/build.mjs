/** `npm run build`: src/ to dist/. Bundles, takes along what is not TypeScript, collects licences and builds the launcher. */
import { chmodSync, copyFileSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { bundle } from './lib/bundle.mjs';
import { buildLauncher } from './lib/launcher.mjs';
import { writeLicences } from './lib/licences.mjs';
import { commandFolder, dist, hq, inRoot } from './lib/paths.mjs';
import { filesBelow } from './lib/stamp.mjs';
import { main } from './lib/text.mjs';

const src = inRoot('src');
const ASSET = /\.(c|sql)$/;

function copyAssets() {
  for (const asset of filesBelow(src).filter((file) => ASSET.test(file))) {
    const target = join(dist, relative(src, asset));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(asset, target);
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
  writeLicences(join(dist, 'THIRD-PARTY-LICENCES.txt'), await bundle());
  copyAssets();
  await buildLauncher(join(dist, 'worker/launcher/hqspawn'));
  linkCommand();
  return 0;
});
