/** What the machine must have: Node, a compiler, make and Python. Each lack is one line that says what to install. */
import { accessSync, constants } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { run } from './command.mjs';
import { Trouble } from './text.mjs';

const MIN_NODE = [20, 19];
const MIN_PYTHON = [3, 11];
/** Newest first: the pinned packages have wheels for these. */
const PYTHONS = ['python3.13', 'python3.12', 'python3.11', 'python3'];
const PROBE = 'import sys, venv, ensurepip; print(*sys.version_info[:2]); print(sys.executable)';

/** Compare versions like [20, 19] number by number. */
export function isAtLeast(version, minimum) {
  for (const [index, wanted] of minimum.entries()) {
    const found = version[index] ?? 0;
    if (found !== wanted) return found > wanted;
  }
  return true;
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Full path of a program, or undefined. */
export function which(program, path = process.env.PATH ?? '') {
  return path
    .split(delimiter)
    .filter(Boolean)
    .map((folder) => join(folder, program))
    .find(isExecutable);
}

export function checkNode(version = process.versions.node) {
  if (isAtLeast(version.split('.').map(Number), MIN_NODE)) return;
  throw new Trouble(
    `Node ${MIN_NODE.join('.')} or newer is needed, this is ${version}: install it from https://nodejs.org or load a newer module`,
  );
}

/** better-sqlite3 and the task launcher are compiled at install. */
export function checkCompiler(path) {
  const missing = ['cc', 'make'].filter((program) => which(program, path) === undefined);
  if (missing.length === 0) return;
  throw new Trouble(
    `${missing.join(' and ')} not found: install a C compiler and make (Debian: apt install build-essential; Fedora: dnf install gcc gcc-c++ make)`,
  );
}

/** Node's own headers, where they lie beside it: without them node-gyp fetches them from the net at each compilation. */
export function nodeHeaders() {
  const prefix = dirname(dirname(process.execPath));
  return isExecutable(join(prefix, 'include/node')) ? prefix : undefined;
}

/** The first Python that is new enough and can make virtual environments. */
export async function findPython() {
  const seen = [];
  for (const name of PYTHONS) {
    if (which(name) === undefined) continue;
    const { code, output } = await run(name, ['-c', PROBE]);
    const [version = '', executable] = output.trim().split('\n');
    const numbers = version.split(' ').map(Number);
    if (code !== 0) seen.push(`${name} without venv`);
    else if (isAtLeast(numbers, MIN_PYTHON)) return { executable, version: numbers.join('.') };
    else seen.push(`${name} is ${numbers.join('.')}`);
  }
  const found = seen.length > 0 ? seen.join(', ') : 'found none';
  throw new Trouble(
    `Python ${MIN_PYTHON.join('.')} or newer with venv is needed, ${found}: install it (Debian: apt install python3-venv) or load a newer module`,
  );
}
