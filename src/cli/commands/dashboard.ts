/** `hq dashboard [stream | replay JOURNAL]` */
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { resolveServerDir } from '../../common/serverDir.ts';
import { HqError } from '../../protocol/errors.ts';
import type { Source } from '../../tui/app.ts';
import type { Screen } from '../../tui/screen.ts';
import type { Context } from '../context.ts';

/** A person sees a change within this time; each look costs a server some calls. */
const LIVE_MS = 1_000;
const REPLAY_MS = 250;
/** How far `b` goes back, in seconds of the replay's speed. */
const BACK_S = 10;

export async function runDashboard(
  context: Context,
  [kind = 'stream', journal]: [string | undefined, string | undefined],
): Promise<undefined> {
  const { stdin, stdout, signal } = context.io;
  if (kind !== 'stream' && kind !== 'replay') throw usage(`invalid value '${kind}' for '[SOURCE]': stream or replay is expected`);
  if (kind === 'replay' && journal === undefined) throw usage('the following required arguments were not provided:\n  <JOURNAL>');
  if (kind === 'stream' && journal !== undefined) throw usage(`unexpected argument '${journal}' found`);
  if (stdout.isTTY !== true) throw usage("the dashboard needs a terminal; for scripts there is '--output-mode json'");
  const source = journal === undefined ? await liveSource(context) : await replaySource(resolve(context.io.cwd, journal));
  const { runApp } = await import('../../tui/app.ts');
  await runApp({ stdin, stdout, signal, colors: context.colors }, source);
}

async function liveSource(context: Context): Promise<Source> {
  const { LiveSource } = await import('../../tui/live.ts');
  const client = await context.client();
  const { serverUid, serverDir, hostname } = await client.serverInfo();
  const live = new LiveSource(client, `hq ${serverUid} on ${hostname}, ${serverDir}`);
  return {
    isReplay: false,
    frameMs: LIVE_MS,
    next: async (screen) => live.scene(await jobOf(screen, async () => (await client.listJobs()).at(-1)?.id)),
  };
}

async function jobOf({ jobId, tab }: Screen, newest: () => Promise<number | undefined>): Promise<number | null> {
  return jobId ?? (tab === 'tasks' ? ((await newest()) ?? null) : null);
}

/** Time of the journal goes on with each frame, at the speed that was chosen. */
async function replaySource(path: string): Promise<Source> {
  const { readJournalEvents } = await import('../../server/journal/readEvents.ts');
  const { Replay } = await import('../../tui/replay.ts');
  const file = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? join(resolveServerDir(path), 'journal.db') : path;
  const events = await readJournalEvents(file);
  if (events.length === 0) throw new HqError('HQ_E_JOURNAL', { path: file, detail: 'it holds no events' });
  const replay = new Replay(`replay of ${file}`, events);
  const [first, last] = replay.span;
  let atMs = first;
  return {
    isReplay: true,
    frameMs: REPLAY_MS,
    next: (screen, { back }) => {
      const step = screen.speed * (REPLAY_MS / 1_000);
      if (back) atMs = Math.max(first, atMs - screen.speed * BACK_S);
      else if (!screen.paused) atMs = Math.min(last, atMs + step);
      const scene = replay.sceneAt(atMs, screen.jobId);
      const jobId = screen.jobId ?? (screen.tab === 'tasks' ? (scene.jobs[0]?.id ?? null) : null);
      const note = atMs >= last ? 'the end' : screen.paused ? 'paused' : '';
      return { ...(jobId === screen.jobId ? scene : replay.sceneAt(atMs, jobId)), note };
    },
  };
}

function usage(detail: string): HqError {
  return new HqError('HQ_E_USAGE', { detail });
}
