/** docs/schema/compare.json: JSON Schema of the report of `hq compare`. */
import * as z from 'zod';
import { jsonText } from './jsonText.mjs';

export async function generateCompare(load) {
  const { compareReport } = await load('protocol/schema/compare.js');
  const { dropSafeIntegerBounds } = await load('server/api/models.js');
  const schema = z.toJSONSchema(compareReport, { override: ({ jsonSchema }) => dropSafeIntegerBounds(jsonSchema) });
  const $comment = 'Generated from src/protocol/schema/compare.ts. Do not edit.';
  return [{ path: 'docs/schema/compare.json', text: jsonText({ $comment, ...schema }) }];
}
