/** Tasks that no frame could carry are refused with one line. */
import { expect, test } from 'vitest';
import { submit } from '../../../src/protocol/schema/task.ts';
import { refuseLargeTasks } from '../../../src/server/taskSize.ts';

const large = 'x'.repeat(6 * 2 ** 20);

test('a task above 16 MiB is refused, many small ones are not', () => {
  const of = (tasks: object) => submit.parse({ submitDir: '/w', tasks });
  const stdin = Buffer.alloc(17 * 2 ** 20).toString('base64');
  expect(() => refuseLargeTasks(of({ kind: 'array', ids: '0', spec: { command: ['cat'], stdin } }))).toThrow(
    'one task takes 23 MiB, more than 16 MiB',
  );
  expect(() => refuseLargeTasks(of({ kind: 'array', entries: ['a', large], spec: { command: ['cat'] } }))).toThrow('more than 16 MiB');
  expect(() => refuseLargeTasks(of({ kind: 'graph', shared: { command: ['cat'] }, tasks: [{}, { env: { A: large } }] }))).toThrow(
    'more than 16 MiB',
  );
  const many = Array.from({ length: 30 }, () => ({ env: { A: 'x'.repeat(2 ** 20) } }));
  expect(() => refuseLargeTasks(of({ kind: 'graph', shared: { command: ['cat'] }, tasks: many }))).not.toThrow();
});
