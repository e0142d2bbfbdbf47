/** The benchmarks must run, whatever they say: real and simulated workers, the report, and one line for a wrong call. */
import { execa } from 'execa';
import { expect, test } from 'vitest';

const bench = (...args: string[]) => execa(process.execPath, ['test/bench/run.mjs', ...args], { reject: false });

test('small runs with simulated and with real workers give figures and no failure', { timeout: 180_000 }, async () => {
  const { exitCode, stdout, stderr } = await bench('--quick', '--only', 'server,logs', '--json');
  expect(stderr).toBe('server …\nlogs …');
  expect(exitCode).toBe(0);
  const report = JSON.parse(stdout.split('\n').at(-1) as string);
  expect(report.failures).toEqual([]);
  expect(report.benches.map(({ name }: { name: string }) => name)).toEqual(['server', 'logs']);
  for (const { figures } of report.benches) {
    expect(figures.length).toBeGreaterThan(0);
    for (const { name, value, ratio } of figures) {
      expect(value, name).toBeGreaterThanOrEqual(0);
      if (ratio !== null) expect(ratio, name).toBeGreaterThanOrEqual(0);
    }
  }
});

test.each([
  [
    ['--only', 'server,nothing'],
    'no benchmark is called nothing: choose from throughput, server, scheduler, scale, graph, startup, logs, python, snakemake, snakemakeJobs, nextflow',
  ],
  [['--rounds', '0.5'], '--rounds needs a whole number from 1, not 0.5'],
  [['--nothing'], "Unknown option '--nothing'"],
])('%j is refused in one line', async (args, line) => {
  const { exitCode, stdout, stderr } = await bench(...args);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).toBe(line);
});
