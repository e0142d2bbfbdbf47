/** docs/openapi.json: what GET /v1/openapi.json answers. */
import { compiled, jsonText } from './compiled.mjs';

export async function generateOpenApi(folder) {
  const { openApiDocument } = await compiled(folder, 'server/api/openapi.js');
  return [{ path: 'docs/openapi.json', text: jsonText(await openApiDocument()) }];
}
