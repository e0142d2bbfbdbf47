/** `hq server debug-dump|backup`: what a running server writes down. */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { HqError } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';

export async function runDebugDump(context: Context, [file]: [string]): Promise<undefined> {
  const dump = await (await context.client()).debugDump();
  await writeText(context, file, `${JSON.stringify(dump, null, 2)}\n`);
  context.output.done(`Debug dump written into ${file}`);
}

/** The server writes: the journal may be large, and lies on its host. */
export async function runBackup(context: Context, [file]: [string]): Promise<undefined> {
  const path = resolve(context.io.cwd, file);
  await (await context.client()).backupJournal(path);
  context.output.done(`Journal copied into ${path}. A server starts from it with: hq server start --journal ${path}`);
}

async function writeText(context: Context, file: string, text: string): Promise<void> {
  try {
    await writeFile(resolve(context.io.cwd, file), text, { mode: 0o600 });
  } catch (error) {
    throw new HqError('HQ_E_FILE_WRITE', { path: file, detail: (error as Error).message }, { cause: error });
  }
}
