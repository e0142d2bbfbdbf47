/**
 * What the front (`bin/front/hqfront.c`) and the thread that runs commands for it say to each other: frames of `framing.ts` whose first byte is
 * the kind. Also the file in which the front finds the thread. Spoken by `cli/front/`, written down in the C source a second time.
 */

/** A front of another number is told to run the command itself. */
export const FRONT_PROTOCOL = 2;

/** In the directory of an identity while its server runs commands: `FRONT_FILE_HEAD`, version, host name and socket path, one a line. */
export const FRONT_FILE = 'front';
export const FRONT_FILE_HEAD = 'hq-front 1';

/**
 * From the front: hello (see `parseHello`), a piece of standard input (an empty one is its end), the name of a signal, the beginning of a file that was
 * wanted.
 */
export const HELLO = 0x48; // H
export const INPUT = 0x49; // I
export const SIGNAL = 0x53; // S
export const FILE_START = 0x46; // F

/**
 * To the front: run it yourself; begun (one letter: what to do when the connection breaks); output; input is wanted; the beginning of a file is wanted
 * (its path, relative to the front's directory), which the front runs itself when it cannot be read; exit code.
 */
export const NOT_FOR_ME = 0x4e; // N
export const BEGUN = 0x42; // B
export const STDOUT = 0x4f; // O
export const STDERR = 0x45; // E
export const WANT_INPUT = 0x47; // G
export const WANT_FILE = 0x52; // R
export const EXIT = 0x58; // X

/**
 * What a command is to its server, and so what the front does when the connection breaks before anything was printed: one that `reads` is begun
 * again without the server's help; one that `waits` goes on waiting; of one that `changes` something nobody knows whether it has.
 */
export type Effect = 'reads' | 'changes' | 'waits';

/** The letter in the BEGUN frame. */
export const EFFECT_LETTERS: Readonly<Record<Effect, string>> = { reads: 'r', changes: 'c', waits: 'w' };

/** Largest hello: more than the system lets anybody pass to a program. */
export const HELLO_LIMIT_BYTES = 8 * 2 ** 20;
/** Largest frame after it. */
export const INPUT_LIMIT_BYTES = 64 * 1024;
/** So much of a wanted file is sent. */
export const FILE_START_BYTES = 32 * 1024;

/** Set by the front for the `hq.js` that it starts when the connection broke in mid-command. */
export const CUT_VARIABLE = 'HQ_FRONT_CUT';

export interface Hello {
  readonly version: string;
  /** Of standard input, output and error. */
  readonly isTty: readonly [boolean, boolean, boolean];
  /** Width of the terminals behind standard output and error; 0: none. */
  readonly columns: readonly [number, number];
  readonly cwd: string;
  /** Without the program's own name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * A hello: protocol, terminals (bits), two widths and the number of arguments as 32-bit little-endian numbers, then texts that end with a zero
 * byte: version, directory, arguments, variables.
 * @param body a frame with its kind
 * @returns null when it is none, or of another protocol
 */
export function parseHello(body: Buffer): Hello | null {
  if (body.length < 21 || body[0] !== HELLO || body.readUInt32LE(1) !== FRONT_PROTOCOL || body.at(-1) !== 0) return null;
  const [terminals, stdout, stderr, argc] = [5, 9, 13, 17].map((at) => body.readUInt32LE(at)) as [number, number, number, number];
  const [version, cwd, ...words] = body.toString('utf8', 21, body.length - 1).split('\0');
  if (version === undefined || cwd === undefined || !cwd.startsWith('/') || words.length < argc) return null;
  const env: Record<string, string> = Object.create(null);
  for (const pair of words.slice(argc)) {
    const equals = pair.indexOf('=');
    // As everywhere: of two values of one name the first one counts.
    if (equals > 0) env[pair.slice(0, equals)] ??= pair.slice(equals + 1);
  }
  const isTty = (fd: number): boolean => (terminals & (1 << fd)) !== 0;
  return { version, isTty: [isTty(0), isTty(1), isTty(2)], columns: [stdout, stderr], cwd, argv: words.slice(0, argc), env };
}
