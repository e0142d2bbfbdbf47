/**
 * `npm run generate [-- --check] [--dist DIR]`: writes the documents that are made out of the code; `--check` changes nothing and fails
 * when one of them has drifted. Needs compiled output, so build first. A new document: a module in generate/ and its line in GENERATORS.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { generateErrors } from './generate/errors.mjs';
import { generateModels } from './generate/models.mjs';
import { generateOpenApi } from './generate/openapi.mjs';
import { dist, inRoot } from './lib/paths.mjs';
import { main, say, Trouble } from './lib/text.mjs';

/** Each takes the folder of the compiled output and returns its files: [{ path: from the repository's root, text }]. */
const GENERATORS = [generateErrors, generateModels, generateOpenApi];

function parse(argv) {
  const options = { check: false, dist };
  const words = [...argv];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '--check') options.check = true;
    else if (word === '--dist' && words.length > 0) options.dist = resolve(words.shift());
    else throw new Trouble(`unknown argument '${word}'; usage: node scripts/generate.mjs [--check] [--dist DIR]`);
  }
  if (!existsSync(resolve(options.dist, 'protocol/errors.js')))
    throw new Trouble(`nothing is compiled in ${options.dist}; run first: npm run build`);
  return options;
}

await main(async () => {
  const options = parse(process.argv.slice(2));
  const files = (await Promise.all(GENERATORS.map((generate) => generate(options.dist)))).flat();
  const drifted = files.filter(({ path, text }) => !existsSync(inRoot(path)) || readFileSync(inRoot(path), 'utf8') !== text);
  for (const { path, text } of drifted) {
    if (options.check) {
      process.stderr.write(`${path} does not match the code; run: npm run build && npm run generate\n`);
    } else {
      mkdirSync(dirname(inRoot(path)), { recursive: true });
      writeFileSync(inRoot(path), text);
      say(`wrote ${path}`);
    }
  }
  return options.check && drifted.length > 0 ? 1 : 0;
});
