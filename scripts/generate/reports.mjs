/** docs/schema/compare.json and snakemake-report.json: JSON Schemas of the reports of `hq compare` and `hq report snakemake`. */
import * as z from 'zod';
import { jsonText } from './jsonText.mjs';

/** Module of the schema, its export, the document. */
const REPORTS = [
  ['compare', 'compareReport', 'compare'],
  ['snakemakeReport', 'snakemakeReport', 'snakemake-report'],
];

export async function generateReports(load) {
  const { dropSafeIntegerBounds } = await load('server/api/models.js');
  const documents = REPORTS.map(async ([module, name, document]) => {
    const schema = z.toJSONSchema((await load(`protocol/schema/${module}.js`))[name], {
      override: ({ jsonSchema }) => dropSafeIntegerBounds(jsonSchema),
    });
    const $comment = `Generated from src/protocol/schema/${module}.ts. Do not edit.`;
    return { path: `docs/schema/${document}.json`, text: jsonText({ $comment, ...schema }) };
  });
  return Promise.all(documents);
}
