/** Job files: TOML and YAML say the same, what is read may be submitted, and no text does anything but be read or refused. */
import fc from 'fast-check';
import { stringify as toToml } from 'smol-toml';
import { expect, test } from 'vitest';
import { stringify as toYaml } from 'yaml';
import { parseJobFile } from '../../src/cli/jobfile/read.ts';
import { submitOf } from '../../src/cli/jobfile/submit.ts';
import { HqError } from '../../src/protocol/errors.ts';
import { submit } from '../../src/protocol/schema/task.ts';
import { checkSubmit } from '../../src/server/submitCheck.ts';

const numRuns = Number(process.env['HQ_PROPERTY_RUNS'] ?? 500);

/** The library's block texts lose blanks in lines of blanks only; that is about writing, and nobody here writes YAML. */
const QUOTED = { defaultStringType: 'QUOTE_DOUBLE' } as const;

const text = fc.string({
  unit: fc.constantFrom('a', 'B', '7', ' ', '-', ':', '#', '"', "'", '\\', '\n', '\t', '%{TASK_ID}', 'č', '😀', 'null', '['),
});
const path = text.filter((value) => value !== '');
const amount = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(0.5, 'all', '2 scatter', '2-8', '1.25 tight!'));
const resources = fc.dictionary(fc.constantFrom('foo', 'gpus/amd', 'licenses'), amount).map((some) => ({ ...some, cpus: 2 }));
const request = fc.record(
  { resources, time_request: fc.constantFrom('0s', '1h 30m', '90'), weight: fc.constantFrom(1, 0.5, 3) },
  { requiredKeys: ['resources'] },
);
const stdio = fc.oneof(fc.constant('none'), path, fc.record({ path, on_close: fc.constantFrom('none', 'rm-if-finished') }));
const bodyModel = {
  command: fc.array(text, { minLength: 1, maxLength: 3 }),
  env: fc.dictionary(fc.constantFrom('A', 'b c', '1'), text),
  cwd: path,
  stdout: stdio,
  stderr: stdio,
  stdin: text,
  request: fc.array(request, { minLength: 1, maxLength: 3 }),
  pin: fc.constantFrom('none', 'taskset', 'omp'),
  task_dir: fc.boolean(),
  time_limit: fc.constantFrom('1s', '01:30:00', '2h'),
  priority: fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
  crash_limit: fc.constantFrom(1, 7, 'never-restart', 'unlimited'),
  label: text,
};
const body = fc.record(bodyModel, { requiredKeys: ['command'] });

/** Tasks depend only on those with a place before them in `order`, so that there is no cycle; ids and places in the file have nothing to do with that. */
const graph = fc.uniqueArray(fc.nat({ max: 4_294_967_000 }), { minLength: 1, maxLength: 8 }).chain((ids) =>
  fc
    .tuple(
      fc.array(body, { minLength: ids.length, maxLength: ids.length }),
      fc.array(fc.array(fc.nat(), { maxLength: 3 }), { minLength: ids.length, maxLength: ids.length }),
      fc.shuffledSubarray(ids, { minLength: ids.length }),
    )
    .map(([bodies, picks, order]) => ({
      task: ids.map((id, index) => {
        const before = order.slice(0, order.indexOf(id));
        const deps = before.length === 0 ? [] : (picks[index] as number[]).map((pick) => before[pick % before.length] as number);
        return { ...(bodies[index] as object), id, deps };
      }),
    })),
);
const array = fc
  .tuple(body, fc.array(text, { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([shared, entries, named]) => ({ array: { ...shared, entries, ...(named ? { ids: `5-${4 + entries.length}` } : {}) } }));
const header = fc.record({ name: fc.constantFrom('x', 'a b', 'č'), max_fails: fc.nat(), stream: path }, { requiredKeys: [] });
const file = fc.tuple(header, fc.oneof(graph, array)).map(([head, tasks]) => ({ ...head, ...tasks }));

test('TOML and YAML of one file are read alike, as what was written, and may be submitted', () => {
  fc.assert(
    fc.property(file, (written) => {
      const read = parseJobFile('job.toml', toToml(written));
      expect(read).toMatchObject(written);
      expect(parseJobFile('job.yaml', toYaml(written, QUOTED))).toEqual(read);
      expect(parseJobFile('job.json', JSON.stringify(written))).toEqual(read);
      const request = submit.parse(submitOf(read, { submitDir: '/', isNewJob: true, strict: false }));
      const { ids, deps } = checkSubmit(request, { jobId: 1, maxTaskId: -1, has: () => false });
      if (!('task' in written)) return;
      expect([...ids]).toEqual(written.task.map(({ id }) => id));
      expect(
        written.task.map((task, index) => [new Set(task.deps), new Set(deps[index] ?? [])]).every(([a, b]) => a?.size === b?.size),
      ).toBe(true);
    }),
    { numRuns },
  );
});

test('any text is read, or refused in one line', () => {
  const line = fc.constantFrom(
    '[[task]]',
    'command = ["a"]',
    'command: [a]',
    'task:',
    '- id: 1',
    'id = 1',
    '[array]',
    'x = {',
    '"',
    '&a [*a]',
    '<<: *b',
    '\t',
    '---',
    '= 1',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(line, text)), fc.constantFrom('f.toml', 'f.yaml', 'f.json'), (lines, name) => {
      try {
        parseJobFile(name, lines.join('\n'));
      } catch (error) {
        expect(error).toBeInstanceOf(HqError);
        expect((error as HqError).code).toBe('HQ_E_JOB_FILE');
        expect((error as HqError).message).not.toContain('\n');
      }
    }),
    { numRuns },
  );
});
