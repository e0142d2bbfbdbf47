/** docs/schema/models.json: JSON Schemas of everything that crosses the HTTP API; the Python client is generated from it. */
import { compiled, jsonText } from './compiled.mjs';

export async function generateModels(dist) {
  const { modelsDocument } = await compiled(dist, 'server/api/models.js');
  return [{ path: 'docs/schema/models.json', text: jsonText(modelsDocument()) }];
}
