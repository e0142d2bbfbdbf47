/** Collects the licences of the libraries that the bundle contains, as they ask for. Called by the build. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inRoot } from './paths.mjs';
import { Trouble } from './text.mjs';

const PACKAGE = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/;
const LICENCE = /^(licen[cs]e|copying)([-.]\w+)*$/i;

/**
 * @param {string} target file to write
 * @param {string[]} inputs paths of the bundled modules, relative to the root of the repository
 * @throws Trouble when a library has no licence text
 */
export function writeLicences(target, inputs) {
  const folders = new Set(inputs.flatMap((path) => PACKAGE.exec(path)?.[0] ?? []));
  const texts = [...folders].sort().map((folder) => licenceOf(inRoot(folder)));
  writeFileSync(target, `hq-bridge contains these libraries in bundled form.\n\n${texts.join('\n')}`);
}

function licenceOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => LICENCE.test(entry) && existsSync(join(folder, entry)));
  if (file === undefined) throw new Trouble(`${name} is bundled but has no licence text in ${folder}`);
  const title = `${name} ${version} (${license})`;
  return `${'='.repeat(title.length)}\n${title}\n${'='.repeat(title.length)}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
}
