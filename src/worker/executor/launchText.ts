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

/** Commands and common variables, the same objects for very many tasks, that have been looked through without a finding. */
const possible = new WeakSet<object>();

/** @returns the reason when a text of the launch, or a variable of its lane, cannot be handed to the operating system */
export function impossibleText(spec: LaunchSpec, laneVars: Lane['vars']): string | undefined {
  const { command, env } = spec;
  if (!possible.has(command) && command.some((arg) => arg.includes('\0'))) return noNullByte(spec, 'a command or its arguments');
  possible.add(command);
  if ((!possible.has(env.common) && hasNullByte(env.common)) || hasNullByte(env.own) || hasNullByte(laneVars))
    return noNullByte(spec, 'an environment variable');
  possible.add(env.common);
  if (spec.cwd.includes('\0') || pathOf(spec.stdout).includes('\0') || pathOf(spec.stderr).includes('\0'))
    return noNullByte(spec, 'a path');
  return undefined;
}

function hasNullByte(vars: Lane['vars']): boolean {
  for (const name in vars) if (name.includes('\0') || vars[name]?.includes('\0')) return true;
  return false;
}

function noNullByte({ command }: LaunchSpec, where: string): string {
  return `Cannot execute ${JSON.stringify(command[0] ?? '')}: a null byte in ${where} is not possible`;
}

function pathOf(target: LaunchSpec['stdout'] | LaunchSpec['stderr']): string {
  return target.kind === 'file' ? target.path : '';
}
