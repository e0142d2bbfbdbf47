/** `hq generate-completion SHELL`, and `hq __complete`, which its scripts run at each press of the tab key. */
import { connectClient } from '../../client/client.ts';
import { HqError } from '../../protocol/errors.ts';
import { candidatesFor } from '../completion/candidates.ts';
import { liveCandidates } from '../completion/live.ts';
import { completionScript, SHELLS } from '../completion/scripts.ts';
import type { Context } from '../context.ts';

/** A person waits; without an answer there are no ids. Milliseconds. */
const ANSWER_MS = 2_000;

export async function runGenerateCompletion(context: Context, [shell]: [string]): Promise<undefined> {
  const script = completionScript(shell);
  if (script === null)
    throw new HqError('HQ_E_USAGE', { detail: `invalid value '${shell}' for '<SHELL>'\n  [possible values: ${SHELLS.join(', ')}]` });
  await context.raw(script);
  context.note(`# ${shell}: source this, or put it where the shell looks for completions (hq generate-completion --help)`);
}

/** Never fails: a message would land in the command line that is being typed. */
export async function runComplete(context: Context, [words = []]: [string[]]): Promise<number> {
  const { values, paths, live, beginning, prefix } = candidatesFor(context.commands, words);
  const found = live === null ? [] : await askServer(context, words, live);
  const fitting = found.filter(({ value }) => value.startsWith(beginning)).map((one) => ({ ...one, value: prefix + one.value }));
  const lines = [...values, ...fitting].map(({ value, description }) => `${value}\t${description.replace(/\s+/g, ' ')}\n`);
  await context.raw(`${lines.join('')}${paths === null ? '' : `:${paths}\t\n`}`);
  return 0;
}

async function askServer(
  context: Context,
  words: readonly string[],
  live: Parameters<typeof liveCandidates>[1],
): ReturnType<typeof liveCandidates> {
  const { env, cwd } = context.io;
  const signal = AbortSignal.any([context.io.signal, AbortSignal.timeout(ANSWER_MS)]);
  const at = words.indexOf('--server-dir');
  const serverDir = at >= 0 ? words[at + 1] : words.find((word) => word.startsWith('--server-dir='))?.slice('--server-dir='.length);
  try {
    const client = await connectClient({ serverDir: serverDir ?? context.globals.serverDir, env, io: { cwd, signal } });
    try {
      return await liveCandidates(client, live);
    } finally {
      client.close();
    }
  } catch {
    return [];
  }
}
