/** What `hq doctor` says of an interpreter, with a real Python that sees only the packages that a test puts there. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Finding } from '../../../src/cli/doctor/finding.ts';
import { checkPython } from '../../../src/cli/doctor/python.ts';
import { VERSION } from '../../../src/protocol/version.ts';

const OURS = 'from hq_bridge import LocalCluster\n';
const THEIRS = 'from .client import Client\n';

interface Installed {
  /** Versions by name of the package. */
  readonly packages?: Readonly<Record<string, string>>;
  /** Content of the module hyperqueue. */
  readonly module?: string;
}

function makeDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'hq-doctor-python-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function check({ packages = {}, module }: Installed): Promise<Finding> {
  const dir = makeDir();
  for (const [name, version] of Object.entries(packages)) {
    const info = join(dir, `${name.replaceAll('-', '_')}-${version}.dist-info`);
    mkdirSync(info);
    writeFileSync(join(info, 'METADATA'), `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`);
  }
  if (module !== undefined) {
    mkdirSync(join(dir, 'hyperqueue'));
    writeFileSync(join(dir, 'hyperqueue/__init__.py'), module);
  }
  // In another folder, so that PATH decides what python3 is.
  const bin = makeDir();
  const path = process.env['PATH'] ?? '';
  writeFileSync(join(bin, 'python3'), `#!/bin/sh\nPATH='${path}' PYTHONPATH='${dir}' exec python3 -S "$@"\n`, { mode: 0o755 });
  return checkPython({ env: { PATH: [bin, path].join(delimiter) } });
}

const bridge = { 'hq-bridge': VERSION, cloudpickle: '3.1.2' };

test.each<[string, Installed, Finding['level'], string]>([
  ['nothing', {}, 'ok', 'without hq-bridge'],
  ['hq-bridge', { packages: bridge, module: OURS }, 'ok', `with hq-bridge ${VERSION} and cloudpickle 3.1.2`],
  [
    'another hq-bridge',
    { packages: { ...bridge, 'hq-bridge': '0.0.9' }, module: OURS },
    'warning',
    `has hq-bridge 0.0.9, but hq is ${VERSION}`,
  ],
  ['no cloudpickle', { packages: { 'hq-bridge': VERSION }, module: OURS }, 'warning', 'but not cloudpickle'],
  [
    'the original alone',
    { packages: { hyperqueue: '0.27.0' }, module: THEIRS },
    'warning',
    "has HyperQueue's own package 0.27.0 and not hq-bridge",
  ],
  [
    'both, the original last',
    { packages: { ...bridge, hyperqueue: '0.27.0' }, module: THEIRS },
    'problem',
    'whose Client cannot use servers of hq',
  ],
  ['both, ours last', { packages: { ...bridge, hyperqueue: '0.27.0' }, module: OURS }, 'warning', 'which is that of hq-bridge'],
  ['the original removed, and our files with it', { packages: bridge }, 'problem', 'import hyperqueue finds nothing'],
])('%s', async (_name, installed, level, words) => {
  const { found, advice, ...rest } = await check(installed);
  expect(rest).toEqual({ check: 'python', level });
  expect(found).toContain(words);
  expect(found).toMatch(/ \(Python 3\./);
  if (installed.module === THEIRS) {
    expect(found).toMatch(/import hyperqueue loads \/.*\/hyperqueue\/__init__\.py/);
    expect(advice).toContain('-m pip uninstall hyperqueue; ');
  }
  expect(advice === '').toBe(level === 'ok');
});

test('no interpreter, and some that are none', async () => {
  const bin = makeDir();
  const say = (body: string): void => writeFileSync(join(bin, 'odd'), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  const named = { HQ_PYTHON: join(bin, 'odd') };
  expect(await checkPython({ env: { PATH: bin } })).toMatchObject({
    level: 'ok',
    found: expect.stringContaining('python3 is not on PATH'),
  });
  expect(await checkPython({ env: named })).toMatchObject({ level: 'problem', found: expect.stringContaining('which HQ_PYTHON names') });
  say('echo Traceback >&2; echo "ImportError: odd" >&2; exit 3');
  expect(await checkPython({ env: named })).toMatchObject({
    level: 'warning',
    found: expect.stringContaining('exit code 3: ImportError: odd'),
  });
  say('exec sleep 1000');
  expect(await checkPython({ env: named, timeoutMs: 500 })).toMatchObject({
    level: 'warning',
    found: expect.stringContaining('does not answer within 0.5 s'),
  });
});

test('what an interpreter prints by itself is no part of its answer', async () => {
  const bin = makeDir();
  writeFileSync(join(bin, 'loud'), '#!/bin/sh\necho welcome\nexec python3 -S "$@"\n', { mode: 0o755 });
  const finding = await checkPython({ env: { PATH: process.env['PATH'], HQ_PYTHON: join(bin, 'loud') } });
  expect(finding).toMatchObject({ check: 'python', found: expect.stringContaining('without hq-bridge') });
});
