/**
 * Commands of Slurm that count themselves: small shell scripts in a directory that comes first on PATH, each of which notes its call and becomes the
 * real command. The one for sbatch also keeps what was printed, because ids tell which jobs belong to a run. Used by `hq compare`, one set per run.
 */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { singleQuoted } from '../../common/shellText.ts';
import type { CommandCalls } from '../../protocol/schema/compare.ts';
import { type Environment, findOnPath } from './slurm.ts';
import { readSubmittedIds } from './slurmText.ts';

const COMMANDS: readonly (keyof CommandCalls)[] = ['sbatch', 'squeue', 'sacct', 'scancel', 'scontrol', 'sinfo', 'srun'];

export class Shims {
  private readonly calls: string;
  private readonly printed: string;

  /** Environment in which commands of Slurm are counted. */
  readonly env: Environment;

  /** @param directory is made; commands that are not on PATH get no shim */
  constructor(directory: string, env: Environment) {
    const folder = join(directory, 'bin');
    this.calls = join(directory, 'calls');
    this.printed = join(directory, 'printed-by-sbatch');
    for (const path of [folder, this.calls]) mkdirSync(path, { recursive: true });
    for (const command of COMMANDS) {
      const real = findOnPath(command, env);
      if (real !== undefined) writeFileSync(join(folder, command), this.script(command, real), { mode: 0o755 });
    }
    this.env = { ...env, PATH: `${folder}:${env['PATH'] ?? ''}` };
  }

  /** @returns how often each was called so far */
  counted(): CommandCalls {
    const count = (command: string): number => {
      const path = join(this.calls, command);
      return existsSync(path) ? statSync(path).size : 0;
    };
    return Object.fromEntries(COMMANDS.map((command) => [command, count(command)])) as CommandCalls;
  }

  /** @returns ids of all jobs that were submitted so far */
  jobIds(): string[] {
    return existsSync(this.printed) ? readSubmittedIds(readFileSync(this.printed, 'utf8')) : [];
  }

  /** A call is one byte at the end of a file, which needs no lock. */
  private script(command: string, real: string): string {
    const [calls, printed] = [singleQuoted(join(this.calls, command)), singleQuoted(this.printed)];
    const begin = `#!/bin/sh\n# Counts calls for hq compare.\nprintf x >> ${calls}\n`;
    if (command !== 'sbatch') return `${begin}exec ${singleQuoted(real)} "$@"\n`;
    return `${begin}printed=$(${singleQuoted(real)} "$@")
code=$?
if [ -n "$printed" ]; then
  printf '%s\\n' "$printed" >> ${printed}
  printf '%s\\n' "$printed"
fi
exit "$code"
`;
  }
}
