/** The counts at the end of `npm test` must be the runners' own, and nothing that went wrong may look like success. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { countJunit, countVitest, judge, sumOf } from '../../../scripts/lib/report.mjs';

const folder = mkdtempSync(join(tmpdir(), 'hq-report-'));
afterAll(() => rmSync(folder, { recursive: true }));

const ok = { code: 0, output: '', timedOut: false };
const file = (status: string, tests: [string, string][], message = '') => ({
  name: '/repo/test/a.test.ts',
  status,
  message,
  assertionResults: tests.map(([fullName, state]) => ({ fullName, status: state })),
});

describe('vitest', () => {
  test('tests are counted by their state', () => {
    const tests: [string, string][] = [
      ['one', 'passed'],
      ['two', 'failed'],
      ['three', 'pending'],
      ['four', 'todo'],
    ];
    expect(countVitest({ testResults: [file('failed', tests)] })).toEqual({ passed: 1, failed: 1, skipped: 2, problems: ['two'] });
  });

  test('a file that cannot be loaded is a failure', () => {
    const broken = file('failed', [], 'SyntaxError: no\nat line 1');
    expect(countVitest({ testResults: [broken] })).toMatchObject({ failed: 1, problems: ['/repo/test/a.test.ts: SyntaxError: no'] });
  });

  test('a hook that fails after passing tests is a failure', () => {
    expect(countVitest({ testResults: [file('failed', [['one', 'passed']], 'afterAll: leak')] })).toMatchObject({ passed: 1, failed: 1 });
  });
});

test('pytest: errors of fixtures count like failures, skipped tests do not pass', () => {
  const xml = `<?xml version="1.0"?><testsuites name="t"><testsuite name="pytest" errors="1" failures="1" skipped="2" tests="6" time="0.1">
    <testcase classname="test_a" name="test_ok" time="0.0" /><testcase classname="test_a" name="test_bad"><failure message="x">x</failure></testcase>
    <testcase classname="test_b" name="test_setup"><error message="y">y</error></testcase></testsuite></testsuites>`;
  expect(countJunit(xml)).toEqual({ passed: 2, failed: 2, skipped: 2, problems: ['test_a test_bad', 'test_b test_setup'] });
});

describe('what a runner does beside its tests', () => {
  const parse = (text: string) => JSON.parse(text);
  const report = (passed: number) => {
    const path = join(folder, `${passed}.json`);
    writeFileSync(path, JSON.stringify({ passed, failed: 0, skipped: 0, problems: [] }));
    return path;
  };

  test.each([
    ['no report', join(folder, 'none.json'), { ...ok, code: 1 }, 'could not start (exit code 1)'],
    ['no report and no error', join(folder, 'none.json'), ok, 'could not start (exit code 0)'],
    ['no tests', report(0), ok, 'collected no test'],
    ['a crash at exit', report(3), { ...ok, code: 139 }, 'runner ended with exit code 139'],
    ['a hang', report(3), { ...ok, code: 143, timedOut: true }, 'ran past its time limit'],
  ])('%s is a failure', (_case, path, result, problem) => {
    expect(judge(path, parse, result)).toMatchObject({ failed: 1, problems: [problem] });
  });

  test('nothing else is', () => {
    expect(judge(report(3), parse, ok)).toMatchObject({ passed: 3, failed: 0 });
  });
});

test('sums add up and keep every problem', () => {
  const counts = { passed: 2, failed: 1, skipped: 1, problems: ['a'] };
  const timed = { ...counts, problems: ['b'], ms: 5 };
  expect(sumOf([counts, timed])).toEqual({ passed: 4, failed: 2, skipped: 2, problems: ['a', 'b'] });
});
