/**
 * Makes the Nextflow plugin: plugins/nextflow to build/nextflow-plugin/nf-hyperqueue-VERSION and the same as a zip, with the JDK's own tools against the jars of the
 * Nextflow that the tests use. Called by nextflowPlugin.mjs and the set-up of tests.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installNextflow } from '../../fixtures/nextflow/install.mjs';
import { findJdk } from '../../fixtures/nextflow/machine.mjs';
import { mustRun } from './command.mjs';
import { build, inRoot } from './paths.mjs';
import { filesBelow, hashOf, unlessStamped } from './stamp.mjs';

const ID = 'nf-hyperqueue';
const SOURCES = inRoot('plugins/nextflow/src');
const JARS = inRoot('build/nextflow/lib/*');
const FOLDER = join(build, 'nextflow-plugin');
/** Nextflow 25.04 runs on nothing older. */
const JAVA = '17';
const COMPILE_LIMIT_MS = 300_000;

const version = () => JSON.parse(readFileSync(inRoot('package.json'), 'utf8')).version;

/** @returns what users name in `plugins { id '…' }`, and where the plugin is once it is built: as a folder, and the same as a zip */
export function nextflowPlugin() {
  const folder = join(FOLDER, `${ID}-${version()}`);
  return { id: ID, version: version(), folder, zip: `${folder}.zip` };
}

const manifest = () => `Manifest-Version: 1.0
Plugin-Id: ${ID}
Plugin-Version: ${version()}
Plugin-Class: hqbridge.nextflow.HqPlugin
Plugin-Provider: hq-bridge
Plugin-Requires: >=25.04.0
`;

/** @returns {Promise<boolean>} whether anything was done. @throws {Trouble} with the compiler's last lines */
export async function buildNextflowPlugin() {
  await installNextflow();
  const sources = filesBelow(SOURCES).filter((file) => file.endsWith('.java'));
  return unlessStamped(join(FOLDER, '.stamp'), hashOf([...sources, inRoot('fixtures/nextflow/pom.xml')], manifest()), async () => {
    rmSync(FOLDER, { recursive: true, force: true });
    const { folder, zip } = nextflowPlugin();
    const classes = join(folder, 'classes');
    mkdirSync(join(classes, 'META-INF'), { recursive: true });
    mkdirSync(join(folder, 'lib'));
    const jdk = findJdk();
    const options = ['--release', JAVA, '-encoding', 'UTF-8', '-proc:none', '-Xlint:all', '-Werror', '-cp', JARS, '-d', classes];
    await mustRun('javac', join(jdk, 'bin/javac'), [...options, ...sources], { limitMs: COMPILE_LIMIT_MS });
    writeFileSync(join(classes, 'META-INF/MANIFEST.MF'), manifest());
    writeFileSync(join(classes, 'META-INF/extensions.idx'), 'hqbridge.nextflow.HqExecutor\n');
    await mustRun('jar', join(jdk, 'bin/jar'), ['--create', '--no-manifest', '--file', zip, '-C', folder, '.']);
  });
}
