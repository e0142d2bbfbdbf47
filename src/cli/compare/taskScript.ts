/**
 * The shell script that every task of `hq compare array` runs on both sides: it measures the command and notes times and exit code, since Slurm counts whole
 * seconds. Notes are one line per task in one file per node, so that thousands of tasks make no thousands of files.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { singleQuoted } from '../../common/shellText.ts';

/** What a task has noted of itself; times in Unix milliseconds by the clock of its node. */
export interface TaskRecord {
  readonly startMs: number;
  readonly endMs: number;
  readonly exitCode: number;
}

/**
 * @param command program and arguments
 * @param records existing directory that all nodes see
 * @returns text of the script. Its argument tells the task's index: itself, or `array` in a job array of Slurm, `hq` in an array of hq
 */
export function taskScript(command: readonly string[], records: string): string {
  return `#!/bin/sh
# One task of hq compare.
case $1 in
  array) task=$SLURM_ARRAY_TASK_ID ;;
  hq) task=$HQ_TASK_ID ;;
  *) task=$1 ;;
esac
HQ_COMPARE_TASK=$task
export HQ_COMPARE_TASK
start=$(date +%s.%N)
${command.map(singleQuoted).join(' ')}
code=$?
end=$(date +%s.%N)
printf '%s %s %s %s\\n' "$task" "$start" "$end" "$code" >> ${singleQuoted(records)}/"$(uname -n)"
exit "$code"
`;
}

/** @returns the last note of each task, by its index; those that never ended have none */
export function readRecords(records: string): Map<number, TaskRecord> {
  const found = new Map<number, TaskRecord>();
  for (const file of readdirSync(records)) {
    for (const [, task, start, end, code] of readFileSync(join(records, file), 'utf8').matchAll(/^(\d+) ([\d.]+) ([\d.]+) (\d+)$/gm)) {
      const record = { startMs: Number(start) * 1_000, endMs: Number(end) * 1_000, exitCode: Number(code) };
      const known = found.get(Number(task));
      if (known === undefined || known.endMs < record.endMs) found.set(Number(task), record);
    }
  }
  return found;
}
