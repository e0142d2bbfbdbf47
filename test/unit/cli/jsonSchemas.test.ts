/** The published schemas: each for a command that exists, none that takes everything; every command has one or is known to print text. */
import { describe, expect, test } from 'vitest';
import { DONE, FAILED, NAMED, shapeOf } from '../../../src/cli/schema/commands.ts';
import { COMMAND_NAMES, checkJson } from '../../helpers/jsonContract.ts';

test('every command with a schema exists', () => {
  expect(NAMED.filter((name) => !COMMAND_NAMES.has(name))).toEqual([]);
});

test.each([...COMMAND_NAMES])('the schemas of %s are for it alone', (name) => {
  const shape = shapeOf(name);
  if (shape === null) return;
  const stranger = { stranger: 1 };
  for (const form of ['now', 'original'] as const) {
    const schema = shape[form];
    // Lists by job are the only objects with free keys.
    expect(schema.safeParse(stranger).success, form).toBe(false);
    expect(schema.safeParse('text').success, form).toBe(false);
  }
});

describe('the check of the helpers finds', () => {
  const check = (stdout: string, o: { args?: string[]; compat?: boolean; code?: number } = {}): void =>
    checkJson({
      args: o.args ?? ['--output-mode', 'json', 'job', 'open'],
      env: o.compat === true ? { HQ_COMPAT: 'hyperqueue' } : {},
      code: o.code ?? 0,
      stdout,
    });

  test('a key too many, one that is missing, and another type', () => {
    check('{"id": 1}');
    for (const text of ['{"id": 1, "more": 2}', '{}', '{"id": "1"}']) expect(() => check(text)).toThrow('is not what its schema says');
  });

  test('keys out of order, and a whole float without its point', () => {
    const summary = ['--output-mode=json', 'job', 'summary'];
    const counts = { Aborted: 0, Canceled: 0, Failed: 0, Finished: 0, Running: 0, Waiting: 0 };
    check(JSON.stringify(counts), { args: summary });
    const { Aborted, ...rest } = counts;
    expect(() => check(JSON.stringify({ ...rest, Aborted }), { args: summary })).toThrow('alphabetical');
    const queue = [
      '{"additional_args": [], "backlog": 1, "id": 1, "known_worker_resources": null, "manager": "Slurm", "max_worker_count": null',
      '"max_workers_per_alloc": 1, "name": null, "state": "Active", "timelimit": 60.0, "worker_args": []}',
    ].join(', ');
    check(`[${queue}]`, { args: ['--output-mode', 'json', 'alloc', 'list'], compat: true });
    expect(() => check(`[${queue.replace('60.0', '60')}]`, { args: ['--output-mode', 'json', 'alloc', 'list'], compat: true })).toThrow(
      'point',
    );
  });

  test('an error with keys that the original does not have', () => {
    const text = '{"code": "HQ_E_NO_SERVER", "error": "no server"}';
    check(text, { code: 1 });
    expect(() => check(text, { code: 1, compat: true })).toThrow('is not what its schema says');
    expect(FAILED.original.safeParse({ error: 'x' }).success && DONE.now.safeParse({}).success).toBe(true);
  });
});
