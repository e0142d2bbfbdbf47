/** Tells a user why a program could not be started and what to do about it. Called by launchers. */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { errorWords } from '../failureText.ts';
import type { LaunchSpec } from './launcher.ts';

/** @returns one or more lines; the first names the program and the error of the operating system */
export function spawnErrorText(spec: LaunchSpec, error: unknown): string {
  const program = spec.command[0] ?? '';
  const lines = [`Cannot execute ${JSON.stringify(program)}: ${errorWords(error)}`];
  switch ((error as { code?: unknown } | null)?.code) {
    case 'ENOENT':
      lines.push(...notFound(spec, program));
      break;
    case 'EACCES':
      lines.push(...notAllowed(spec, program));
      break;
    case 'ENOEXEC':
      lines.push(
        `The file \`${program}\` is not a program for this machine. If it is a script, its first line must name an interpreter, for example \`#!/bin/bash\`.`,
      );
      break;
    default:
      break;
  }
  return lines.join('\n');
}

function notFound(spec: LaunchSpec, program: string): string[] {
  const path = resolve(spec.cwd, program);
  if (!existsSync(path)) return [`The program that you have tried to execute (\`${program}\`) was not found.`];
  if (!program.includes('/')) {
    return [
      `The program that you have tried to execute (\`${program}\`) was not found.`,
      `The working directory of the task contains a file of this name; to execute it, write \`./${program}\`.`,
    ];
  }
  const interpreter = interpreterOf(path);
  return [
    interpreter === undefined
      ? `The file \`${program}\` exists, but its loader was not found.`
      : `The interpreter \`${interpreter}\` in the first line of \`${program}\` was not found.`,
  ];
}

function notAllowed(spec: LaunchSpec, program: string): string[] {
  const path = isAbsolute(program) || program.includes('/') ? resolve(spec.cwd, program) : undefined;
  if (path === undefined) return [];
  try {
    if (statSync(path).isDirectory()) return [`\`${program}\` is a directory.`];
    accessSync(path, constants.X_OK);
    return [];
  } catch {
    return [`The file \`${program}\` is not executable; \`chmod +x ${program}\` changes that.`];
  }
}

/** Program named by the first line of a script. */
function interpreterOf(path: string): string | undefined {
  try {
    return /^#!\s*(\S+)/.exec(readFileSync(path, { encoding: 'latin1' }).slice(0, 256))?.[1];
  } catch {
    return undefined;
  }
}
