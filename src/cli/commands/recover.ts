/** `hq server recover`: a sound journal out of a damaged one. */
import { resolve } from 'node:path';
import { resolveServerDir } from '../../common/serverDir.ts';
import { HqError } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';

export async function runRecover(context: Context, [directory]: [string]): Promise<undefined> {
  const dir = resolveServerDir(resolve(context.io.cwd, directory));
  const [{ lastJournal, readLastStart, usualJournal }, { recoverJournal }] = await Promise.all([
    import('../../server/identity/lastStart.ts'),
    import('../../server/journal/recover.ts'),
  ]);
  const path = lastJournal(dir) ?? usualJournal(dir);
  const { damagedPath, findings } = recovered(() => recoverJournal(path, Date.now()), { directory, last: readLastStart(dir) });
  if (damagedPath === null) {
    context.output.done(`${path} is sound; nothing was changed`);
    return;
  }
  for (const finding of findings) context.note(`INFO ${finding}`);
  context.warn('Tasks whose state was lost wait again, and may run a second time');
  context.output.done(`${path} is sound again; the damaged one is kept as ${damagedPath}`);
}

/** @throws HqError HQ_E_SERVER_RUNNING with host and pid, which only the directory knows, and everything else that `work` throws */
function recovered<T>(work: () => T, { directory, last }: { directory: string; last: { hostname: string; pid: number } | null }): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof HqError) || error.code !== 'HQ_E_SERVER_RUNNING') throw error;
    throw new HqError('HQ_E_SERVER_RUNNING', { path: directory, host: last?.hostname ?? 'unknown', pid: last?.pid ?? 'unknown' });
  }
}
