#!/usr/bin/env node
/**
 * Process entry of `hq`: gives the process' streams and signals to the command line and leaves with its exit code. What nobody expected ends
 * here, with a line instead of a bare stack.
 */
import { isatty } from 'node:tty';
import { internalErrorText } from '../cli/internalError.ts';
import { runCli } from '../cli/program.ts';

const argv = process.argv.slice(2);
/** A server or worker outlives those who read its output and the terminal it was started from. */
const isService = argv.includes('start') && (argv.includes('server') || argv.includes('worker'));

const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort(name));
// `nohup` sets this signal to be ignored, and Node undoes that; what nohup also does is to leave no stream on the terminal.
const isDetached = ![0, 1, 2].some((fd) => isatty(fd));
if (isService && isDetached) process.on('SIGHUP', () => {});
else process.once('SIGHUP', () => interrupted.abort('SIGHUP'));

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (isService) return;
    // `hq … | head` ends silently: nobody reads any more.
    if (error.code === 'EPIPE' || error.code === 'EIO') process.exit(0);
    throw error;
  });
}

process.on('uncaughtException', (error) => {
  process.stderr.write(internalErrorText(error));
  process.exit(1);
});

const code = await runCli(argv, {
  cwd: process.cwd(),
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interrupted.signal,
});
// Not process.exit: what was written must reach a pipe first.
process.exitCode = code;
