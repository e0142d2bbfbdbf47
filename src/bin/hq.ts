/**
 * Process entry of `hq`, loaded by load.ts: gives the process' streams and signals to the command line and leaves with its exit code. What nobody expected ends
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
const isDetached = (): boolean => ![0, 1, 2].some((fd) => isatty(fd));
if (isService && isDetached()) process.on('SIGHUP', () => {});
else process.once('SIGHUP', () => interrupted.abort('SIGHUP'));

const watched = new Set<NodeJS.WriteStream>();

/** The stream, made when it is first asked for: a stream that a command does not use costs it milliseconds. */
function output(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  if (watched.has(stream)) return stream;
  watched.add(stream);
  return stream.on('error', (error: NodeJS.ErrnoException) => {
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

void runCli(argv, {
  cwd: process.cwd(),
  env: process.env,
  get stdin() {
    return process.stdin;
  },
  get stdout() {
    return output(process.stdout);
  },
  get stderr() {
    return output(process.stderr);
  },
  signal: interrupted.signal,
}).then((code) => {
  // Not process.exit: what was written must reach a pipe first.
  process.exitCode = code;
});

/** For the build, which runs commands in its own process to see what they compile. */
export { runCli };
