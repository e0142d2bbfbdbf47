/** `hq doc [AREA]`: the pages come with the package, so what it prints is a path on this host that is there without a network. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtFile } from '../../common/builtFile.ts';
import { HqError } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';
import { AREAS } from '../doc/areas.ts';

export async function runDoc(context: Context, [area]: [string | undefined], options: { open?: boolean }): Promise<undefined> {
  const page = area === undefined ? '../README.md' : AREAS[area];
  if (page === undefined || (area !== undefined && !Object.hasOwn(AREAS, area)))
    throw new HqError('HQ_E_USAGE', {
      detail: `invalid value '${area}' for '[AREA]'\n  [possible values: ${Object.keys(AREAS).join(', ')}]`,
    });
  // docs/ lies beside dist/, in a checkout as in the package.
  const path = fileURLToPath(builtFile(`../docs/${page}`));
  if (!existsSync(path)) throw new HqError('HQ_E_FILE', { path, detail: 'the documentation is not installed with this hq' });
  await context.raw(`${path}\n`);
  if (options.open === true) await open(context, path);
}

/** @throws HqError HQ_E_FILE when nothing opens it */
async function open(context: Context, path: string): Promise<void> {
  const { env, cwd, signal } = context.io;
  const folders = (env['PATH'] ?? '').split(delimiter);
  const isThere = (program: string): boolean => folders.some((folder) => existsSync(join(folder, program)));
  const program = env['BROWSER'] || ['xdg-open', 'open'].find(isThere);
  if (program === undefined) throw new HqError('HQ_E_FILE', { path, detail: 'neither BROWSER is set nor is there xdg-open' });
  const child = spawn(program, [path], { env: env as NodeJS.ProcessEnv, cwd, signal, stdio: 'ignore' });
  const trouble = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code) => resolve(code === 0 ? '' : `exit code ${code ?? 'none'}`));
  });
  signal.throwIfAborted();
  if (trouble !== '') throw new HqError('HQ_E_FILE', { path, detail: `${program} did not open it: ${trouble}` });
}
