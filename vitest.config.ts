/**
 * Test projects: fast ones that mostly stay in one process, and those that start real processes (end to end out of dist/), where commands go
 * through the front; `plain` repeats the tests of commands without it; `slurm` has a real Slurm cluster, `gridengine` a real Grid Engine, `aiida` a real AiiDA,
 * `nextflow` a real Nextflow.
 */
import { defineConfig } from 'vitest/config';

/** Tests of single parts that start many processes of their own: too slow for the quick check. */
const PROCESS_TESTS = [
  'test/unit/worker/{launcher,nativeLauncher,warmLauncher,tasks,session,memory,monitor/memoryMonitor}.test.ts',
  'test/unit/server/journal/journalClient.test.ts',
  'test/unit/server/identity/takeJournal.test.ts',
];

/** Both cores of a small machine; vitest alone would leave one idle. */
const maxWorkers = 2;

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], exclude: PROCESS_TESTS, testTimeout: 10_000, maxWorkers } },
      { test: { name: 'property', include: ['test/property/**/*.test.ts'], testTimeout: 60_000, maxWorkers } },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts', 'test/regression/**/*.test.ts', ...PROCESS_TESTS],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers,
        },
      },
      {
        test: {
          name: 'plain',
          include: ['test/e2e/{submit,jobs,badInput,openJob}.test.ts'],
          env: { HQ_FRONT: 'off' },
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers,
        },
      },
      {
        test: {
          name: 'slurm',
          include: ['test/slurm/**/*.test.ts'],
          globalSetup: ['test/helpers/slurmSetup.ts'],
          testTimeout: 120_000,
          // a machine has room for one cluster: the start may have to wait until another checkout's is down
          hookTimeout: 700_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'gridengine',
          include: ['test/gridengine/**/*.test.ts'],
          globalSetup: ['test/helpers/gridEngine.ts'],
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'aiida',
          include: ['test/aiida/**/*.test.ts'],
          globalSetup: ['test/aiida/setup.ts'],
          // each calculation starts a Python that imports for seconds
          testTimeout: 300_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'nextflow',
          include: ['test/nextflow/**/*.test.ts'],
          globalSetup: ['test/nextflow/support/setup.ts'],
          // each run starts a Java that takes seconds of a processor before anything happens
          testTimeout: 300_000,
          hookTimeout: 60_000,
          maxWorkers,
        },
      },
    ],
  },
});
