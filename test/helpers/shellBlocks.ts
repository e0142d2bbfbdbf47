/** The blocks of the README and of docs/ that are meant to be typed into a shell. For the test that types them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ShellBlock {
  readonly page: string;
  /** Its first line about `hq`. */
  readonly name: string;
  readonly text: string;
}

/** A line that begins with `hq`, or talks to its server. */
const LINE = /^(?:\w+=\$\(|exec |systemd-run .*)?hq .*|^curl .*--unix-socket.*/m;

/** @returns fenced blocks of `sh` and `bash`, and indented ones; the reference is made of the command table and has none of its own */
export function shellBlocks(): ShellBlock[] {
  const pages = ['README.md', ...readdirSync('docs').map((name) => join('docs', name))];
  return pages.filter((page) => page.endsWith('.md') && page !== 'docs/cli.md').flatMap(blocksOf);
}

function blocksOf(page: string): ShellBlock[] {
  const text = readFileSync(page, 'utf8');
  const fenced = [...text.matchAll(/^```(?:sh|bash)\n(.*?)^```$/gms)].map(([, block = '']) => block);
  const plain = text.replace(/^```.*?^```$/gms, '');
  const indented = [...plain.matchAll(/(?:^ {4}\S.*\n(?: {4,}.*\n)*)+/gm)].map(([block]) => block.replace(/^ {4}/gm, ''));
  return [...fenced, ...indented].flatMap((block) => {
    const [name] = LINE.exec(block) ?? [];
    return name === undefined ? [] : [{ page, name: name.replace(/\s+#.*/, ''), text: block }];
  });
}

/** Servers and workers go on while the next lines are typed; what they say meanwhile would stand between the answers. */
export function inBackground(lines: string): string {
  return lines.replace(/^(.*&& )?(hq (?:server|worker) start\b.*?)\s*&?\s*(?:#.*)?$/gm, (_line, before: string = '', command: string) =>
    before === '' ? `${command} > started.txt 2>&1 &` : `{ ${before}${command}; } > started.txt 2>&1 &`,
  );
}
