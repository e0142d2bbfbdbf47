/** Check of the directory for temporary files, in which workers keep the output of running tasks. Probe files are removed again. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileSystemOf } from '../../common/fileSystem.ts';
import { formatSize } from '../../common/size.ts';
import { type Finding, ok, problem, reasonOf, warning } from './finding.ts';

/** Output of running tasks lies here until it is in the log, bytes. */
const ROOM_MIN_BYTES = 256 * 2 ** 20;
/** Milliseconds; only a hanging file system takes as long. */
const RUN_TIMEOUT_MS = 10_000;

const CHECK = 'temporary-directory';
const ELSEWHERE = 'Set TMPDIR to a directory on a local disk, or start workers with --work-dir';

/** @param directory TMPDIR of workers, absolute */
export function checkTemporaryDirectory(directory: string): Finding {
  let probe: string | undefined;
  try {
    probe = mkdtempSync(join(directory, 'hq-doctor'));
    const { type, isNetwork } = fileSystemOf(probe);
    const { bavail, bsize } = statfsSync(probe);
    const found = `${directory} (${type}, ${formatSize(bavail * bsize)} free)`;
    if (isNetwork) return warning(CHECK, `${found} is on a network file system: slower, and shared by all workers`, ELSEWHERE);
    if (bavail * bsize < ROOM_MIN_BYTES) return warning(CHECK, `${found} has little room for the output of running tasks`, ELSEWHERE);
    const why = runScript(probe);
    if (why !== null) return warning(CHECK, `${found}: programs there cannot be run (${why}), which some tasks need`, ELSEWHERE);
    return ok(CHECK, found);
  } catch (error) {
    return problem(CHECK, `${directory}: ${reasonOf(error)}`, ELSEWHERE);
  } finally {
    if (probe !== undefined) rmSync(probe, { recursive: true, force: true });
  }
}

/** @returns null when a program there runs, else why not: it is mounted with `noexec`, for example */
function runScript(directory: string): string | null {
  const path = join(directory, 'probe');
  writeFileSync(path, '#!/bin/sh\nexit 0\n', { mode: 0o700 });
  const { error, status } = spawnSync(path, { stdio: 'ignore', timeout: RUN_TIMEOUT_MS });
  if (error !== undefined) return reasonOf(error);
  return status === 0 ? null : `exit code ${status}`;
}
