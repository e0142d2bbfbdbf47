/** Reads the runners' own result files, so that the counts printed at the end are theirs and not guessed from an exit code. */
import { existsSync, readFileSync } from 'node:fs';

/** @typedef {{ passed: number, failed: number, skipped: number, problems: string[] }} Counts */

/** @returns {Counts} */
export const noCounts = () => ({ passed: 0, failed: 0, skipped: 0, problems: [] });

/** @param {Counts[]} all @returns {Counts} */
export function sumOf(all) {
  const sum = noCounts();
  for (const counts of all) {
    for (const key of ['passed', 'failed', 'skipped']) sum[key] += counts[key];
    sum.problems.push(...counts.problems);
  }
  return sum;
}

/** Vitest's JSON report. A file that could not be loaded has no tests and counts as one failure. */
export function countVitest(report) {
  const counts = noCounts();
  for (const file of report.testResults) {
    for (const test of file.assertionResults) {
      if (test.status === 'passed') counts.passed += 1;
      else if (test.status === 'failed') {
        counts.failed += 1;
        counts.problems.push(test.fullName);
      } else counts.skipped += 1;
    }
    if (file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')) {
      counts.failed += 1;
      counts.problems.push(`${file.name}: ${file.message.split('\n')[0] || 'could not be loaded'}`);
    }
  }
  return counts;
}

/** pytest's JUnit XML: the suite's totals, and the names of the cases that hold a failure or an error. */
export function countJunit(xml) {
  const suite = /<testsuite [^>]*>/.exec(xml)?.[0] ?? '';
  const number = (name) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const failed = number('failures') + number('errors');
  const skipped = number('skipped');
  const cases = xml.split('<testcase ').slice(1);
  const problems = cases
    .filter((text) => /<(failure|error)\b/.test(text))
    .map((text) => `${/classname="([^"]*)"/.exec(text)?.[1]} ${/\bname="([^"]*)"/.exec(text)?.[1]}`);
  return { passed: Math.max(0, number('tests') - failed - skipped), failed, skipped, problems };
}

/** Counts of a finished runner. What went wrong without a failing test, like a crash or an empty suite, becomes one failure. */
export function judge(file, parse, result) {
  const counts = existsSync(file) ? parse(readFileSync(file, 'utf8')) : noCounts();
  const fail = (problem) => {
    counts.failed += 1;
    counts.problems.push(problem);
  };
  if (result.timedOut) fail('ran past its time limit');
  else if (!existsSync(file)) fail(`could not start (exit code ${result.code})`);
  else if (counts.passed + counts.failed + counts.skipped === 0) fail('collected no test');
  else if (result.code !== 0 && counts.failed === 0) fail(`runner ended with exit code ${result.code}`);
  return counts;
}
