/**
 * `npm run generate [-- --check]`: writes the documents that are made out of the code; `--check` changes nothing and fails when one of them
 * has drifted. A new document: a module in generate/ and its line in GENERATORS.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { generateCli } from './generate/cli.mjs';
import { generateCommandJson } from './generate/commandJson.mjs';
import { generateCompatibility } from './generate/compatibility.mjs';
import { generateErrors } from './generate/errors.mjs';
import { generateJobFile } from './generate/jobFile.mjs';
import { generateMan } from './generate/man.mjs';
import { generateModels } from './generate/models.mjs';
import { generateOpenApi } from './generate/openapi.mjs';
import { generatePythonModels } from './generate/pythonModels.mjs';
import { generateReports } from './generate/reports.mjs';
import { compile } from './lib/compile.mjs';
import { inRoot } from './lib/paths.mjs';
import { main, say } from './lib/text.mjs';

/** Each takes what imports one of MODULES, and returns its files: [{ path: from the repository's root, text }]. */
const GENERATORS = [
  generateCli,
  generateCommandJson,
  generateCompatibility,
  generateMan,
  generateErrors,
  generateJobFile,
  generateModels,
  generateOpenApi,
  generatePythonModels,
  generateReports,
];

/** Their tables become documents. */
const MODULES = [
  ...['protocol/errors.ts', 'protocol/schema/compare.ts', 'protocol/schema/snakemakeReport.ts', 'cli/generate/jobFileSchema.ts'],
  ...[
    'cli/schema/commands.ts',
    'cli/generate/commandNames.ts',
    'cli/generate/compatibility.ts',
    'cli/generate/man.ts',
    'cli/generate/reference.ts',
  ],
  ...['server/api/models.ts', 'server/api/openapi.ts'],
];

await main(async () => {
  const { check } = parseArgs({ options: { check: { type: 'boolean', default: false } } }).values;
  const load = await compile('generate', MODULES);
  const files = (await Promise.all(GENERATORS.map((generate) => generate(load)))).flat();
  const drifted = files.filter(({ path, text }) => !existsSync(inRoot(path)) || readFileSync(inRoot(path), 'utf8') !== text);
  for (const { path, text } of drifted) {
    if (check) {
      process.stderr.write(`${path} does not match the code; run: npm run generate\n`);
    } else {
      mkdirSync(dirname(inRoot(path)), { recursive: true });
      writeFileSync(inRoot(path), text);
      say(`wrote ${path}`);
    }
  }
  return check && drifted.length > 0 ? 1 : 0;
});
