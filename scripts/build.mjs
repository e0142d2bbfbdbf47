/** `npm run build`: src/ to dist/. Bundles, takes along what is not TypeScript, collects licences and compiles C. */
import { chmodSync, copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { bundle } from './lib/bundle.mjs';
import { makeCodeCaches } from './lib/codeCache.mjs';
import { buildProgram, FRONT, LAUNCHER } from './lib/launcher.mjs';
import { writeLicences } from './lib/licences.mjs';
import { commandFolder, dist, hq, hqfront, inRoot } from './lib/paths.mjs';
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

/** What the package calls `hq` until its installation puts the compiled front in its place; see install.mjs. */
function writePlaceholder() {
  const target = join(dist, 'bin/hq');
  writeFileSync(target, "#!/usr/bin/env node\nrequire('./hq.js');\n");
  chmodSync(target, 0o755);
}

/** @param {string} command what `hq` is in this checkout */
function linkCommand(command) {
  chmodSync(hq, 0o755);
  mkdirSync(commandFolder, { recursive: true });
  const link = join(commandFolder, 'hq');
  rmSync(link, { force: true });
  symlinkSync(relative(commandFolder, command), link);
}

await main(async () => {
  writeLicences(join(dist, 'THIRD-PARTY-LICENCES.txt'), await bundle());
  copyAssets();
  writePlaceholder();
  await makeCodeCaches();
  await buildProgram(LAUNCHER, join(dist, 'worker/launcher/hqspawn'));
  linkCommand((await buildProgram(FRONT, hqfront)) ? hqfront : hq);
  return 0;
});
