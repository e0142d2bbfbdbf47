/** What the scripts print. One place, so that the wording of times, counts and failures is the same everywhere. */

export const say = (line = '') => process.stdout.write(`${line}\n`);

/** A failure that the user can mend: shown as one line, without a stack. */
export class Trouble extends Error {}

export function seconds(ms) {
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

export const lastLines = (text, count) => text.trimEnd().split('\n').slice(-count).join('\n');

const isExpected = (error) => error instanceof Trouble || error.code?.startsWith('ERR_PARSE_ARGS_');

/**
 * Run a script's main function: its result is the exit code; a Trouble or a wrong option is one line on stderr. What it does goes on when nobody
 * reads its output any more (`… | head -1`): half of it done would be worse.
 */
export async function main(work) {
  process.stdout.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    process.exitCode = await work();
  } catch (error) {
    process.stderr.write(`${isExpected(error) ? error.message : error.stack}\n`);
    process.exitCode = error.exitCode ?? 1;
  }
}
