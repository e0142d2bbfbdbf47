/** docs/schema/models.json: JSON Schemas of everything that crosses the HTTP API; those of the Python client are made of it, see pythonModels.mjs. */
import { jsonText } from './jsonText.mjs';

export async function generateModels(load) {
  const { modelsDocument } = await load('server/api/models.js');
  return [{ path: 'docs/schema/models.json', text: jsonText(modelsDocument()) }];
}
