/** Installs Debian's packages, for the test set-ups that need programs which the machine lacks. */
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { mustRun, run } from './command.mjs';
import { say } from './text.mjs';

/** Debian starts the service of a package when it is installed, unless this file forbids it. */
const POLICY = '/usr/sbin/policy-rc.d';
const LIMIT_MS = 240_000;
/** Another apt may be at work, for example that of a machine that has just booted. */
const LOCK_WAIT = ['-o', 'DPkg::Lock::Timeout=120'];

/**
 * Needs root. Services of the packages are not started.
 * @param {string[]} packages
 * @throws {Trouble} with the last lines of apt-get
 */
export async function installDebian(packages) {
  say(`installing ${packages.join(' ')} …`);
  const isOurPolicy = !existsSync(POLICY);
  if (isOurPolicy) {
    writeFileSync(POLICY, '#!/bin/sh\nexit 101\n');
    chmodSync(POLICY, 0o755);
  }
  try {
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    // lists that cannot be fetched may still be good enough; if not, the next command says so
    await run('apt-get', [...LOCK_WAIT, 'update'], { limitMs: LIMIT_MS });
    const args = [...LOCK_WAIT, 'install', '-y', '--no-install-recommends', ...packages];
    await mustRun('apt-get install', 'apt-get', args, { env, limitMs: LIMIT_MS });
  } finally {
    if (isOurPolicy) rmSync(POLICY, { force: true });
  }
}
