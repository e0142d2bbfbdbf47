/** docs/schema/models.json: JSON Schemas of everything that crosses the HTTP API; the Python client is generated from it. */
import { jsonText } from './jsonText.mjs';

export async function generateModels(load) {
  const { modelsDocument } = await load('server/api/models.js');
  return [{ path: 'docs/schema/models.json', text: jsonText(modelsDocument()) }];
}
