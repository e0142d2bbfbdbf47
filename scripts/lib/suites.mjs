/** The test suites and what each of their parts runs. A part answers with counts; test.mjs adds them up. */
import { mkdirSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { lacks as aiidaLacks } from '../../fixtures/aiida/install.mjs';
import { lacks as gridEngineLacks } from '../../fixtures/gridengine/packages.mjs';
import { lacks as nextflowLacks } from '../../fixtures/nextflow/machine.mjs';
import { lacks as slurmLacks } from '../../fixtures/slurm-cluster/lib/machine.mjs';
import { run } from './command.mjs';
import { build, commandFolder, inRoot, venvBin } from './paths.mjs';
import { countJunit, countVitest, judge, noCounts } from './report.mjs';

const MINUTE_MS = 60_000;
/** Far above what a suite takes, so that only a hang is cut off. */
const SUITE_LIMIT_MS = 15 * MINUTE_MS;

const reports = join(build, 'reports');

function freshReport(name) {
  mkdirSync(reports, { recursive: true });
  const file = join(reports, name);
  rmSync(file, { force: true });
  return file;
}

/** A tool that has no tests of its own: one test, passed when it exits with 0. */
function tool(name, program, args) {
  return async () => {
    const { code } = await run(program, args, { show: true, limitMs: SUITE_LIMIT_MS });
    return code === 0 ? { ...noCounts(), passed: 1 } : { ...noCounts(), failed: 1, problems: [`${name} (exit code ${code})`] };
  };
}

function vitest(...projects) {
  return async () => {
    const file = freshReport(`${projects.join('-')}.json`);
    const names = projects.flatMap((project) => ['--project', project]);
    const args = [
      inRoot('node_modules/vitest/vitest.mjs'),
      'run',
      ...names,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
    ];
    const result = await run(process.execPath, args, { show: true, limitMs: SUITE_LIMIT_MS });
    return judge(file, (text) => countVitest(JSON.parse(text)), result);
  };
}

/** The tests take their cluster away by themselves, unless they are cut off. */
function onCluster(project, fixture) {
  return async () => {
    try {
      return await vitest(project)();
    } finally {
      await run(process.execPath, [inRoot('fixtures', fixture, 'cluster.mjs'), 'stop']);
    }
  };
}

/** @param options further ones of pytest */
function pytest(name, folder, ...options) {
  return async () => {
    const file = freshReport(`${name}.xml`);
    const args = ['-m', 'pytest', '-q', '-ra', '-p', 'no:cacheprovider', `--junitxml=${file}`, ...options, inRoot(folder)];
    const result = await run(venvBin('python'), args, { show: true, limitMs: SUITE_LIMIT_MS, env: pythonEnv() });
    return judge(file, countJunit, result);
  };
}

/** What our Python tests and a user's shell have in common: `hq` and the environment's programs are on the path. */
export function pythonEnv() {
  return { PATH: [commandFolder, venvBin(''), process.env.PATH].join(delimiter) };
}

const shimSource = inRoot('python-shim/src');
const MYPY = ['--config-file', inRoot('python-shim/pyproject.toml'), '--cache-dir', join(build, 'mypy'), shimSource];
/** Neither syntax nor modules of a newer Python than the oldest that users may have. */
const VERMIN = ['--quiet', '--target=3.8-', '--violations', '--no-tips', shimSource];
const biome = inRoot('node_modules/.bin/biome');
const tsc = inRoot('node_modules/.bin/tsc');

/**
 * In the order in which they run. `needs` are set-up steps; `complete` forbids skipped tests on CI; `lacks` answers why the suite cannot run
 * on this machine, if so: it is skipped then.
 */
export const SUITES = [
  {
    name: 'check',
    parts: [
      { name: 'format and lint', needs: ['packages'], work: tool('biome', biome, ['check', '--error-on-warnings']) },
      { name: 'types', needs: ['packages'], work: tool('tsc', tsc, ['--noEmit', '-p', inRoot('tsconfig.test.json')]) },
      { name: 'unit and property tests', needs: ['packages'], work: vitest('unit', 'property') },
      {
        name: 'generated files',
        needs: ['packages'],
        work: tool('generate --check', 'npm', ['run', '--silent', 'generate', '--', '--check']),
      },
    ],
  },
  { name: 'e2e', parts: [{ name: 'end-to-end tests', needs: ['compiled'], work: vitest('e2e', 'plain') }] },
  {
    name: 'shim',
    parts: [
      { name: 'types of the Python API', needs: ['environment'], work: tool('mypy', venvBin('python'), ['-m', 'mypy', ...MYPY]) },
      { name: 'Python 3.8', needs: ['environment'], work: tool('vermin', venvBin('vermin'), VERMIN) },
      { name: 'Python API', needs: ['compiled', 'environment'], work: pytest('shim', 'python-shim/tests') },
    ],
  },
  {
    name: 'snakemake',
    complete: true,
    parts: [
      {
        name: 'executor plugin',
        needs: ['compiled', 'environment', 'rsync'],
        // Two files at a time: each test waits for starts of Snakemake that come one after the other.
        work: pytest('snakemake', 'plugins/snakemake/tests', '--numprocesses', '2', '--dist', 'loadfile'),
      },
    ],
  },
  {
    name: 'slurm',
    lacks: slurmLacks,
    parts: [{ name: 'tests on a Slurm cluster', needs: ['compiled', 'environment'], work: onCluster('slurm', 'slurm-cluster') }],
  },
  {
    name: 'gridengine',
    lacks: gridEngineLacks,
    parts: [{ name: 'tests on a Grid Engine', needs: ['compiled'], work: onCluster('gridengine', 'gridengine') }],
  },
  {
    name: 'aiida',
    lacks: aiidaLacks,
    parts: [{ name: 'tests with AiiDA', needs: ['compiled'], work: vitest('aiida') }],
  },
  {
    name: 'nextflow',
    lacks: nextflowLacks,
    parts: [{ name: 'tests with Nextflow', needs: ['compiled', 'environment', 'nextflow', 'template'], work: vitest('nextflow') }],
  },
];

export const hasSuite = (name) => SUITES.some((suite) => suite.name === name);

/**
 * Why a suite may not have skipped tests, if so.
 * @param {{ name: string, complete?: boolean }} suite
 * @param {Record<string, string | undefined>} env CI: true or 1; HQ_REQUIRE: suites that must run here, as `slurm,…`
 * @returns {string | undefined}
 */
export function forbidsSkips({ name, complete }, env) {
  if ((env.HQ_REQUIRE ?? '').split(',').includes(name)) return 'HQ_REQUIRE wants all of them';
  return complete && ['true', '1'].includes(env.CI) ? 'on CI none may be' : undefined;
}
