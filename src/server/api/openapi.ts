/**
 * The OpenAPI 3.1 document, made out of the route table and the models. Its schema dialect is JSON Schema 2020-12, which zod itself
 * writes, so nothing is converted. Called by GET /v1/openapi.json and by `scripts/generate.mjs`.
 */
import * as z from 'zod';
import { ERRORS, type ErrorCode } from '../../protocol/errors.ts';
import { VERSION } from '../../protocol/version.ts';
import { type JsonSchema, jsonSchemas, type ModelName } from './models.ts';
import type { Route } from './route.ts';
import { ROUTES } from './routes.ts';

/** Errors that every route can give; the token's only on TCP. */
const COMMON_ERRORS: readonly ErrorCode[] = ['HQ_E_REQUEST', 'HQ_E_AUTH', 'HQ_E_FORBIDDEN', 'HQ_E_INTERNAL'];

let made: JsonSchema | undefined;

/** @returns the document; the same object at every call */
export function openApiDocument(): JsonSchema {
  made ??= make();
  return made;
}

function make(): JsonSchema {
  const paths: Record<string, Record<string, JsonSchema>> = {};
  for (const [name, route] of Object.entries(ROUTES) as [string, Route][]) {
    paths[route.path] = { ...paths[route.path], [route.method]: operation(name, route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'hq-bridge',
      version: VERSION,
      description: 'Jobs, tasks, workers and events of one server. Served on a Unix socket, where no token is needed, and with TLS on TCP.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }, {}],
    paths,
    components: {
      schemas: jsonSchemas('#/components/schemas/'),
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'the client token of access.json; only on TCP' } },
    },
  };
}

function operation(name: string, route: Route): JsonSchema {
  const parameters = [...parametersOf(route.params, 'path'), ...parametersOf(route.query, 'query')];
  return {
    operationId: name,
    summary: route.summary,
    ...(parameters.length > 0 && { parameters }),
    ...(route.body && { requestBody: { required: route.bodyOptional !== true, content: json(reference(route.body)) } }),
    responses: { [route.status]: success(name, route), ...failures(route) },
  };
}

function parametersOf(schema: z.ZodObject | undefined, place: 'path' | 'query'): JsonSchema[] {
  if (schema === undefined) return [];
  const { properties, required } = z.toJSONSchema(schema, { io: 'input' }) as {
    properties: Record<string, JsonSchema>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...property }]) => ({
    name,
    in: place,
    required: place === 'path' || (required ?? []).includes(name),
    ...(description !== undefined && { description }),
    ...serialised({ ...property, ...defaultOf(schema.shape[name]) }),
  }));
}

/** zod leaves a default out where the text is converted first. */
function defaultOf(schema: z.core.$ZodType | undefined): JsonSchema {
  return schema instanceof z.ZodDefault ? { default: schema.def.defaultValue } : {};
}

/** Lists are comma separated; a map is KEY=VALUE, repeated. */
function serialised(schema: JsonSchema): JsonSchema {
  if (schema['type'] === 'array') return { style: 'form', explode: false, schema };
  if (schema['type'] === 'object')
    return { style: 'form', explode: true, schema: { type: 'array', items: { type: 'string', pattern: '^[^=]+=' } } };
  return { schema };
}

function success(name: string, route: Route): JsonSchema {
  if (route.status === 204) return { description: 'done; on disk' };
  if (name === 'events') {
    return {
      description:
        'messages `batch` (id: last sequence number, data: JSON array of hqEvent) and at the end perhaps `failure` (data: error)',
      content: { 'text/event-stream': { schema: { type: 'string' } } },
    };
  }
  if (name === 'taskOutput') {
    return { description: 'the bytes; an answer without a proper end was cut off', content: { 'application/octet-stream': {} } };
  }
  if (route.answer === null) return { description: 'OpenAPI 3.1', content: json({ type: 'object' }) };
  const schema = typeof route.answer === 'string' ? reference(route.answer) : { type: 'array', items: reference(route.answer[0]) };
  return { description: route.status === 201 ? 'created; on disk' : 'the answer', content: json(schema) };
}

/** One entry per status, naming the codes that give it. */
function failures(route: Route): JsonSchema {
  const body: readonly ErrorCode[] = route.body === undefined ? [] : ['HQ_E_REQUEST_TOO_LARGE'];
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of [...COMMON_ERRORS, ...body, ...route.errors]) {
    const status = ERRORS[code].http;
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const sorted = [...byStatus].sort(([a], [b]) => a - b);
  return Object.fromEntries(
    sorted.map(([status, codes]) => [status, { description: codes.join(', '), content: json(reference('error')) }]),
  );
}

const reference = (model: ModelName): JsonSchema => ({ $ref: `#/components/schemas/${model}` });
const json = (schema: JsonSchema): JsonSchema => ({ 'application/json': { schema } });
