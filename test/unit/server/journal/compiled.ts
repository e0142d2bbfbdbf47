/**
 * The journal compiled, because a thread of Node 20 cannot load TypeScript. Each test file that needs it compiles into a folder of its own
 * below build/, so that files run side by side.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = join(import.meta.dirname, '../../../..');

export interface Compiled {
  /** Folder that stands for src/. */
  readonly dir: string;
  load<T>(module: string): Promise<T>;
  remove(): void;
}

/** @param modules paths below src/ of the entries; what they import is compiled, too */
export function compile(name: string, modules: readonly string[]): Compiled {
  const dir = join(ROOT, 'build', `test-${name}-${process.pid}`);
  mkdirSync(dir, { recursive: true });
  const config = {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: { outDir: dir, rootDir: join(ROOT, 'src'), sourceMap: false },
    include: [],
    files: modules.map((module) => join(ROOT, 'src', module)),
  };
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify(config));
  execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', dir], { stdio: 'inherit' });
  return {
    dir,
    load: (module) => import(pathToFileURL(join(dir, module.replace(/\.ts$/, '.js'))).href),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
