/** docs/http-api.md lists the routes that there are, both ways. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createJob } from '../../../src/protocol/schema/job.ts';
import { ROUTES } from '../../../src/server/api/routes.ts';

const text = readFileSync(new URL('../../../docs/http-api.md', import.meta.url), 'utf8');

test('every route is listed, and nothing else', () => {
  const listed = [...text.matchAll(/^\| `([A-Z]+ \/v1\/\S+)` \|/gm)].map((match) => match[1]);
  expect(listed.sort()).toEqual(
    Object.values(ROUTES)
      .map(({ method, path }) => `${method.toUpperCase()} ${path}`)
      .sort(),
  );
});

test('the example is accepted', () => {
  const example = /```json\n([\s\S]*?)```/.exec(text)?.[1];
  expect(createJob.safeParse(JSON.parse(example as string)).success).toBe(true);
});
