/** Set-up steps: each brings one thing up to date, is run at most once per script and costs milliseconds when nothing has changed. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { installNextflow } from '../../fixtures/nextflow/install.mjs';
import { makeTemplate } from '../../fixtures/nextflow/nf-core/template.mjs';
import { installDebian } from './apt.mjs';
import { mustRun } from './command.mjs';
import { checkCompiler, checkNode, findPython, nodeHeaders, which } from './machine.mjs';
import { dist, distributions, inRoot, pipeline, venv, venvBin } from './paths.mjs';
import { filesBelow, hashOf, unlessStamped } from './stamp.mjs';
import { say, seconds, Trouble } from './text.mjs';

const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'));

/**
 * True when npm's own record of what it installed has every package of the lock file in its version and all of them are there: where two
 * checkouts share files by hard links, the record may be the other one's.
 */
export function isInstalled(lock, installed, isThere) {
  return Object.entries(lock.packages).every(
    ([path, { version, optional }]) => path === '' || optional || (installed.packages[path]?.version === version && isThere(path)),
  );
}

async function packages() {
  checkNode();
  const record = inRoot('node_modules/.package-lock.json');
  if (existsSync(record) && isInstalled(readJson(inRoot('package-lock.json')), readJson(record), (path) => existsSync(inRoot(path))))
    return false;
  checkCompiler();
  say('set-up: installing npm packages, a minute or two where better-sqlite3 is compiled …');
  const headers = process.env.npm_config_nodedir ?? nodeHeaders();
  const env = headers === undefined ? {} : { npm_config_nodedir: headers };
  await mustRun('npm ci', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { env });
  return true;
}

async function compiled() {
  await ready('packages');
  const scripts = ['build.mjs', 'lib/bundle.mjs', 'lib/launcher.mjs', 'lib/licences.mjs'].map((script) => inRoot('scripts', script));
  const inputs = [
    ...filesBelow(inRoot('src')),
    ...filesBelow(inRoot('plugins/batch')),
    ...scripts,
    inRoot('tsconfig.json'),
    inRoot('package-lock.json'),
  ];
  return unlessStamped(join(dist, '.stamp'), hashOf(inputs), () => mustRun('build', process.execPath, [inRoot('scripts/build.mjs')]));
}

async function environment() {
  const missing = distributions.find((folder) => !existsSync(join(folder, 'pyproject.toml')));
  if (missing !== undefined) throw new Trouble(`${missing} has no pyproject.toml: the checkout is incomplete`);
  const python = await findPython();
  const pip = (...args) =>
    mustRun('pip install', venvBin('python'), ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--no-input', ...args]);
  const lists = [inRoot('python-dev-requirements.txt'), join(pipeline, 'requirements.txt')];
  const filled = await unlessStamped(join(venv, '.stamp-requirements'), hashOf(lists, python), async () => {
    say(`set-up: making .venv with Python ${python.version}, about a minute …`);
    await mustRun('venv', python.executable, ['-m', 'venv', '--clear', venv]);
    await pip(...lists.flatMap((list) => ['-r', list]));
  });
  // editable, so that a changed source needs no new install; hatchling writes a path file, the only kind that Snakemake's plugin search sees
  const projects = distributions.map((folder) => join(folder, 'pyproject.toml'));
  const linked = await unlessStamped(join(venv, '.stamp-distributions'), hashOf(projects), () =>
    pip('--no-deps', '--no-build-isolation', ...distributions.flatMap((folder) => ['-e', folder])),
  );
  return filled || linked;
}

/** A storage plugin of Snakemake copies with it. Where it cannot be installed, the test that needs it is skipped. */
async function rsync() {
  if (which('rsync') !== undefined || process.getuid() !== 0 || which('apt-get') === undefined) return false;
  await installDebian(['rsync']);
  return true;
}

const STEPS = { packages, compiled, environment, rsync, nextflow: installNextflow, template: makeTemplate };
const LABELS = {
  packages: 'npm packages',
  compiled: 'build',
  environment: 'Python environment',
  rsync: 'rsync',
  nextflow: 'Nextflow',
  template: 'nf-core template',
};
const begun = new Map();

async function timed(name) {
  const start = performance.now();
  if (await STEPS[name]()) say(`set-up: ${LABELS[name]} ${seconds(performance.now() - start)}`);
}

/** Bring these things up to date, one after the other. A step that has failed once fails again with the same words. */
export async function ready(...names) {
  for (const name of names) {
    if (!begun.has(name)) begun.set(name, timed(name));
    await begun.get(name);
  }
}
