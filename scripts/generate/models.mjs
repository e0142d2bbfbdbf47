/** docs/schema/models.json: JSON Schemas of everything that crosses the HTTP API; the Python client is generated from it. */
import { compiled, jsonText } from './compiled.mjs';

export async function generateModels(folder) {
  const { modelsDocument } = await compiled(folder, 'server/api/models.js');
  return [{ path: 'docs/schema/models.json', text: jsonText(modelsDocument()) }];
}
