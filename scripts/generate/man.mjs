/** docs/man/*.1: the manual pages of all commands. */
import { readFileSync } from 'node:fs';
import { inRoot } from '../lib/paths.mjs';

export async function generateMan(load) {
  const { manPages } = await load('cli/generate/man.js');
  const { version } = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'));
  return manPages(version).map(({ file, text }) => ({ path: `docs/man/${file}`, text }));
}
