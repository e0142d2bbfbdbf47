/** The table in docs/compatibility.md, between two marks; the rest of the page is written by hand. */
import { readFileSync } from 'node:fs';
import { inRoot } from '../lib/paths.mjs';
import { Trouble } from '../lib/text.mjs';

const PATH = 'docs/compatibility.md';
const BEGIN = '<!-- Generated from src/cli by `npm run generate`: do not edit until the end mark. -->';
const END = '<!-- end -->';

export async function generateCompatibility(load) {
  const { compatibilityTable } = await load('cli/generate/compatibility.js');
  const text = readFileSync(inRoot(PATH), 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Trouble(`${PATH} lacks its marks: ${BEGIN} and ${END}`);
  return [{ path: PATH, text: `${text.slice(0, begin)}${BEGIN}\n${compatibilityTable()}${text.slice(end)}` }];
}
