/** Tells a user why a task could not be started: one text per step, the same for every launcher. Called by launchers. */
import { dirname } from 'node:path';
import { errorWords } from '../failureText.ts';
import type { Lane, LaunchSpec } from './launcher.ts';
import type { LaunchStep } from './launcherFrames.ts';
import { spawnErrorText } from './spawnErrorText.ts';

/** @returns what is said about a launch that failed at this step; the capture has its own error. `cpus`: of its lane, null when not known */
export function launchText(
  step: Exclude<LaunchStep, 'none' | 'capture'>,
  { spec, cpus }: { spec: LaunchSpec; cpus: Lane['cpus'] },
  error: unknown,
): string {
  const words = errorWords(error);
  switch (step) {
    case 'stdin':
      return `Cannot prepare the standard input: ${words}`;
    case 'make-cwd':
      return `Cannot create the working directory "${spec.cwd}": ${words}`;
    case 'enter-cwd':
      return `Cannot enter the working directory "${spec.cwd}": ${words}`;
    case 'make-stdout-directory':
      return `Cannot create the directory of standard output "${dirname(pathOf(spec.stdout))}": ${words}`;
    case 'open-stdout':
      return `Cannot open "${pathOf(spec.stdout)}" for standard output: ${words}`;
    case 'make-stderr-directory':
      return `Cannot create the directory of standard error "${dirname(pathOf(spec.stderr))}": ${words}`;
    case 'open-stderr':
      return `Cannot open "${pathOf(spec.stderr)}" for standard error: ${words}`;
    case 'affinity':
      return `Cannot bind the task to the CPUs${cpus === null ? '' : ` ${cpus.join(',')}`}: ${words}`;
    case 'enter-group':
      return `Cannot enter the control group "${dirname(spec.controlGroup ?? '')}": ${words}`;
    case 'exec':
    case 'start':
      return spawnErrorText(spec, error);
  }
}

/** @returns the reason when a text of the launch, or a variable of its lane, cannot be handed to the operating system */
export function impossibleText(spec: LaunchSpec, laneVars: Lane['vars']): string | undefined {
  const program = JSON.stringify(spec.command[0] ?? '');
  for (const arg of spec.command)
    if (arg.includes('\0')) return `Cannot execute ${program}: a null byte in a command or its arguments is not possible`;
  for (const vars of [spec.env.own, laneVars])
    for (const name in vars)
      if (name.includes('\0') || vars[name]?.includes('\0'))
        return `Cannot execute ${program}: a null byte in an environment variable is not possible`;
  for (const path of [spec.cwd, pathOf(spec.stdout), pathOf(spec.stderr)])
    if (path.includes('\0')) return `Cannot execute ${program}: a null byte in a path is not possible`;
  return undefined;
}

function pathOf(target: LaunchSpec['stdout'] | LaunchSpec['stderr']): string {
  return target.kind === 'file' ? target.path : '';
}
