/** `hq server debug-dump|backup`: what a running server writes down. */
import { resolve } from 'node:path';
import type { Context } from '../context.ts';
import { writeTextFile } from '../textFile.ts';

/** It tells what others run. */
const PRIVATE = 0o600;

export async function runDebugDump(context: Context, [file]: [string]): Promise<undefined> {
  const dump = await (await context.client()).debugDump();
  await writeTextFile(file, `${JSON.stringify(dump, null, 2)}\n`, { cwd: context.io.cwd, mode: PRIVATE });
  context.output.done(`Debug dump written into ${file}`);
}

/** The server writes: the journal may be large, and lies on its host. */
export async function runBackup(context: Context, [file]: [string]): Promise<undefined> {
  const path = resolve(context.io.cwd, file);
  await (await context.client()).backupJournal(path);
  context.output.done(`Journal copied into ${path}. A server starts from it with: hq server start --journal ${path}`);
}
