/** Query parameters: whatever the client writes is what the handler gets, and no text makes the checks throw anything else. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { queryText } from '../../../../src/client/query.ts';
import { taskState } from '../../../../src/protocol/schema/task.ts';
import { eventsQuery, jobsQuery, taskParams, tasksQuery, workersQuery } from '../../../../src/server/api/params.ts';

/** As the app gets it: every value of every name. */
function received(text: string): Record<string, string[]> {
  const query = new URLSearchParams(text);
  return Object.fromEntries([...query.keys()].map((name) => [name, query.getAll(name)]));
}

const id = fc.integer({ min: 0, max: 0xffff_ffff });
const labelKey = fc.string({ minLength: 1 }).filter((key) => !key.includes('=') && key !== '__proto__');

describe('round trips', () => {
  test('tasks', () => {
    const record = fc.record(
      {
        after: id,
        limit: fc.integer({ min: 1, max: 100_000 }),
        states: fc.uniqueArray(fc.constantFrom(...taskState.options), { minLength: 1 }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(record, (query) => {
        const text = queryText({ ...query, states: query.states?.join(',') });
        expect(tasksQuery.parse(received(text))).toEqual({ limit: 100_000, ...query });
      }),
    );
  });

  test('labels with any characters', () => {
    fc.assert(
      fc.property(fc.dictionary(labelKey, fc.string(), { minKeys: 1, maxKeys: 4 }), (labels) => {
        const label = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
        expect(jobsQuery.parse(received(queryText({ label })))).toEqual({ live: false, label: { ...labels } });
      }),
    );
  });

  test('events', () => {
    const record = fc.record(
      {
        after: fc.maxSafeNat().map((n) => n % 1e15),
        follow: fc.boolean(),
        lease: fc.string({ minLength: 1, maxLength: 200 }),
        gatherMs: fc.nat(10_000),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(record, (query) => {
        expect(eventsQuery.parse(received(queryText(query)))).toEqual({ follow: true, gatherMs: 0, ...query });
      }),
    );
    expect(eventsQuery.parse({ jobs: ['2-4,9'], types: ['job-idle', 'task-failed,job-closed'] })).toEqual({
      follow: true,
      gatherMs: 0,
      jobs: [2, 3, 4, 9],
      types: ['job-idle', 'task-failed', 'job-closed'],
    });
  });
});

test.each(['10001', '-1', 'soon', ''])('%j is no time to gather events', (text) => {
  expect(eventsQuery.safeParse({ gatherMs: [text] }).success).toBe(false);
});

test('no text makes a check throw', () => {
  const texts = fc.dictionary(
    fc.constantFrom('after', 'limit', 'ids', 'states', 'live', 'label', 'all', 'jobs', 'types', 'lease', 'follow', 'gatherMs'),
    fc.array(fc.string(), { minLength: 1, maxLength: 3 }),
  );
  fc.assert(
    fc.property(texts, (query) => {
      for (const schema of [tasksQuery, jobsQuery, workersQuery, eventsQuery]) schema.safeParse(query);
    }),
  );
});

test.each(['', ' 1', '1 ', '0x10', '1e3', '1.0', '+1', '-0', '１', '4294967296', '99999999999999999999'])('%j is no task id', (text) => {
  expect(taskParams.safeParse({ id: '1', task: text }).success).toBe(false);
});
