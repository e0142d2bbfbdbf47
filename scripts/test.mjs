/** `npm test [-- --only NAME …]`: set-up, then every suite, even after a failure. The last line is `N passed, N failed`. */
import { parseArgs } from 'node:util';
import { Interrupted } from './lib/command.mjs';
import { noCounts, sumOf } from './lib/report.mjs';
import { ready } from './lib/steps.mjs';
import { forbidsSkips, hasSuite, SUITES } from './lib/suites.mjs';
import { main, say, seconds, Trouble } from './lib/text.mjs';

function chosenSuites() {
  const { values } = parseArgs({ options: { only: { type: 'string', multiple: true, default: [] } } });
  const names = values.only.flatMap((value) => value.split(','));
  const required = (process.env.HQ_REQUIRE ?? '').split(',').filter(Boolean);
  const unknown = [...names, ...required].find((name) => !hasSuite(name));
  if (unknown !== undefined)
    throw new Trouble(`no suite is called ${unknown}: choose from ${SUITES.map((suite) => suite.name).join(', ')}`);
  return names.length === 0 ? SUITES : SUITES.filter((suite) => names.includes(suite.name));
}

/** Run one part. What cannot start is a failure, not a skip. */
async function runPart(suite, part) {
  try {
    await ready(...part.needs);
  } catch (error) {
    if (!(error instanceof Trouble) || error instanceof Interrupted) throw error;
    say(error.message);
    return { ...noCounts(), failed: 1, problems: ['could not start: set-up failed'], ms: 0 };
  }
  say(`\n=== ${suite.name}: ${part.name}`);
  const start = performance.now();
  return { ...(await part.work()), ms: performance.now() - start };
}

/** What each part of a suite gave. A suite that cannot run on this machine counts as one skipped test. */
async function resultsOf(suite) {
  const lack = await suite.lacks?.();
  if (lack !== undefined) {
    say(`\n=== ${suite.name}: skipped, ${lack}`);
    return [{ ...noCounts(), skipped: 1, ms: 0 }];
  }
  const results = [];
  for (const part of suite.parts) {
    const counts = await runPart(suite, part);
    counts.problems = counts.problems.map((problem) => `${suite.name}: ${part.name}: ${problem}`);
    results.push(counts);
  }
  return results;
}

async function runSuite(suite) {
  const results = await resultsOf(suite);
  const total = { suite: suite.name, ...sumOf(results), ms: results.reduce((sum, { ms }) => sum + ms, 0) };
  const rule = forbidsSkips(suite, process.env);
  if (rule !== undefined && total.skipped > 0) {
    total.failed += 1;
    total.problems.push(`${suite.name}: ${total.skipped} skipped, ${rule}`);
  }
  return total;
}

function printTotals(totals, sum) {
  say(`\n${'suite'.padEnd(12)}${['passed', 'failed', 'skipped', 'time'].map((head) => head.padStart(12)).join('')}`);
  for (const { suite, passed, failed, skipped, ms } of totals) {
    say(`${suite.padEnd(12)}${[passed, failed, skipped, seconds(ms)].map((cell) => String(cell).padStart(12)).join('')}`);
  }
  say();
  for (const problem of sum.problems) say(`failed: ${problem}`);
  if (sum.skipped > 0) say(`${sum.skipped} skipped`);
  say(`${sum.passed} passed, ${sum.failed} failed`);
}

await main(async () => {
  const totals = [];
  for (const suite of chosenSuites()) totals.push(await runSuite(suite));
  const sum = sumOf(totals);
  printTotals(totals, sum);
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1;
});
