#!/usr/bin/env node
/** Process entry of `hq`: gives the process' streams and signals to the command line and leaves with its exit code. */
import { runCli } from '../cli/program.ts';

const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => interrupted.abort(name));

// `hq … | head` ends silently: nobody reads any more.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

const code = await runCli(process.argv.slice(2), {
  cwd: process.cwd(),
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interrupted.signal,
});
// Not process.exit: what was written must reach a pipe first.
process.exitCode = code;
