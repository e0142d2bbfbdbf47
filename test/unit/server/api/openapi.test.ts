/** The documents hang together: every reference leads somewhere, every parameter is declared, every answer is described. */
import { describe, expect, test } from 'vitest';
import { ERRORS } from '../../../../src/protocol/errors.ts';
import { MODELS, modelsDocument } from '../../../../src/server/api/models.ts';
import { openApiDocument } from '../../../../src/server/api/openapi.ts';
import { ROUTES } from '../../../../src/server/api/routes.ts';

type Tree = { [key: string]: Tree } & string;
const document = openApiDocument() as unknown as Tree;

function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === '$ref' ? [String(inner)] : references(inner)));
}

function lookUp(root: Tree, reference: string): unknown {
  return reference
    .replace(/^#\//, '')
    .split('/')
    .reduce<Tree | undefined>((node, key) => node?.[key], root);
}

describe('openapi.json', () => {
  test('every reference resolves', () => {
    expect(references(document).length).toBeGreaterThan(50);
    expect(references(document).filter((reference) => lookUp(document, reference) === undefined)).toEqual([]);
  });

  test('describes every route once, with its path parameters, body and answers', () => {
    for (const [name, route] of Object.entries(ROUTES)) {
      const operation = document['paths']?.[route.path]?.[route.method] as Tree;
      expect(operation['operationId']).toBe(name);
      const parameters = (operation['parameters'] ?? []) as unknown as { name: string; in: string; required: boolean }[];
      const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      expect(parameters.filter((parameter) => parameter.in === 'path').map(({ name: key, required }) => [key, required])).toEqual(
        inPath.map((key) => [key, true]),
      );
      expect(operation['requestBody'] !== undefined).toBe('body' in route);
      const statuses = Object.keys(operation['responses'] as object).map(Number);
      expect(statuses).toContain(route.status);
      for (const code of route.errors) expect(statuses).toContain(ERRORS[code].http);
    }
  });

  test('query parameters have their own types', () => {
    const parameters = document['paths']?.['/v1/jobs/{id}/tasks']?.['get']?.['parameters'];
    expect(parameters).toEqual([
      { name: 'id', in: 'path', required: true, description: 'job id', schema: { type: 'integer', minimum: 1, maximum: 4_294_967_295 } },
      { name: 'ids', in: 'query', required: false, description: 'like 1-10,20', schema: { type: 'string' } },
      {
        name: 'states',
        in: 'query',
        required: false,
        description: 'comma separated',
        style: 'form',
        explode: false,
        schema: {
          type: 'array',
          minItems: 1,
          items: { type: 'string', enum: ['waiting', 'running', 'finished', 'failed', 'canceled', 'aborted'] },
        },
      },
      {
        name: 'after',
        in: 'query',
        required: false,
        description: 'only ids after this one, for paging',
        schema: { type: 'integer', minimum: 0, maximum: 4_294_967_295 },
      },
      {
        name: 'limit',
        in: 'query',
        required: false,
        description: 'most tasks in the answer',
        schema: { type: 'integer', minimum: 1, maximum: 100_000, default: 100_000 },
      },
    ]);
  });
});

describe('models.json', () => {
  const models = modelsDocument() as unknown as Tree;

  test('every reference resolves', () => {
    expect(references(models).filter((reference) => lookUp(models, reference) === undefined)).toEqual([]);
    expect(Object.keys(models['$defs'] as object)).toEqual(Object.keys(MODELS));
  });

  test('a sender may leave out what has a default, a patch has none', () => {
    expect(models['$defs']?.['taskSpec']?.['required']).toEqual(['command']);
    expect(models['$defs']?.['graphTask']?.['required']).toBeUndefined();
    expect(JSON.stringify(models['$defs']?.['taskPatch'])).not.toContain('"default"');
  });
});
