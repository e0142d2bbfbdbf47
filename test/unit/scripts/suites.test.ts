/** Which suites may have skipped tests: a suite that could not run must not look like one that passed. */
import { expect, test } from 'vitest';
import { forbidsSkips, SUITES } from '../../../scripts/lib/suites.mjs';

test('skips are forbidden in complete suites on CI, and in suites that the environment requires', () => {
  expect(forbidsSkips({ name: 'slurm' }, { CI: 'true' })).toBeUndefined();
  expect(forbidsSkips({ name: 'slurm' }, { HQ_REQUIRE: 'nextflow,slurm' })).toBe('HQ_REQUIRE wants all of them');
  expect(forbidsSkips({ name: 'slurm' }, { HQ_REQUIRE: 'slurmy' })).toBeUndefined();
  expect(forbidsSkips({ name: 'snakemake', complete: true }, { CI: '1' })).toBe('on CI none may be');
  expect(forbidsSkips({ name: 'snakemake', complete: true }, {})).toBeUndefined();
});

test.each(['slurm', 'gridengine', 'aiida', 'nextflow'])('the suite %s says what the machine lacks', (wanted) => {
  expect(SUITES.find(({ name }) => name === wanted)).toHaveProperty('lacks');
});
