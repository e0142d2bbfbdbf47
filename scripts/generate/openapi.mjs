/** docs/openapi.json: what GET /v1/openapi.json answers. */
import { jsonText } from './jsonText.mjs';

export async function generateOpenApi(load) {
  const { openApiDocument } = await load('server/api/openapi.js');
  return [{ path: 'docs/openapi.json', text: jsonText(await openApiDocument()) }];
}
