/**
 * The frames between the worker and hqspawn. Each is u32 length, one letter, body; numbers are little-endian u32 unless said otherwise, texts
 * are UTF-8 and end with a null byte. Both sides come from one build, so that the version only catches a mixed installation.
 *
 * requests: E number count texts                             shared environment, replaces the earlier one of that number
 *           L id env group args vars lane cpus stdin out err texts cpus stdin   start; counts, then texts: args, vars, lane's vars, working
 *                                                            directory, cgroup.procs of its control group (empty: none),
 *                                                            files; stdin 2^32-1: none; group 0: what it holds is not handed over;
 *                                                            out + 256: it is not interrupted when the worker is gone, but killed
 *           Q (as L)                                         start when a task of the group ends, with what that one held
 *           W id                                             do not start it, unless it has started
 *           K id signal                                      signal to the group
 *           R id                                             captured output has been read; its files may be used again
 * answers:  H version pid                                    first of all; pid: whose descriptors are told, left out: those of the process started
 *           S id pid fd fd u64 us                            started; descriptors of captured channels in hqspawn, 2^32-1: none; Unix time
 *           F id step errno next                             not started; `next` (0: none) is started with what it held
 *           X id status next u64 user us u64 system us u64 peak kB u64 wall us len len bytes bytes   ended; captured output, 2^32-1: to be
 *                                                            read and released
 *           W id                                             was not started and never will be
 *           N text                                           for the worker's log; only warm runners
 *           O text                                           as N, and nothing more should be started here; only warm runners
 *           M text                                           modules of Python that tasks have loaded, separated by blanks; only warm runners
 */
export const LAUNCHER_PROTOCOL = 3;
export const NONE: number = 0xffff_ffff;

/** Shared environments that hqspawn keeps. */
export const ENVIRONMENTS = 16;

/** Where a launch failed, by its number in an answer. */
export const STEPS = [
  'none',
  'stdin',
  'make-cwd',
  'enter-cwd',
  'make-stdout-directory',
  'open-stdout',
  'make-stderr-directory',
  'open-stderr',
  'affinity',
  'exec',
  'start',
  'capture',
  'enter-group',
] as const;
export type LaunchStep = (typeof STEPS)[number];

const OUTPUT_CODES = { null: 0, file: 1, capture: 2, same: 3 } as const;
/** Added to the code of the first output. */
const DIES_UNNOTICED = 256;
export type OutputCode = keyof typeof OUTPUT_CODES;

/** Requests are gathered in pieces of this size, bytes. */
const SLAB_BYTES = 64 * 1024;

/** Larger input is not copied but sent as it is, bytes. */
const COPY_STDIN_BYTES = 16 * 1024;

const LAUNCH_HEAD_BYTES = 45;

type Variables = Readonly<Record<string, string>>;

/** Texts in a row, each with its null byte. */
interface Text {
  readonly text: string;
  readonly count: number;
}

export interface LaunchRequest {
  readonly id: number;
  /** Number of the shared environment. */
  readonly environment: number;
  /** Tasks of one group hand over what they hold; 0 for none. */
  readonly group: number;
  /** Without null bytes, as all texts. */
  readonly args: readonly string[];
  /** Variables that are the same object for many tasks. */
  readonly common: Variables;
  readonly vars: Variables;
  /** Variables and CPUs of the lane; nothing when it waits for one. */
  readonly lane: Variables;
  readonly cwd: string;
  /** File through which it enters its control group; empty for none. */
  readonly controlGroup: string;
  readonly cpus: readonly number[];
  readonly stdin: Uint8Array | null;
  readonly outputs: readonly [OutputCode, OutputCode];
  /** Files of the channels that go to one. */
  readonly paths: readonly string[];
  /** It is killed without an interrupt when the requests end. */
  readonly diesUnnoticed?: boolean;
}

/** Gathers requests until `take`. */
export class RequestBatch {
  private slab: Buffer = Buffer.allocUnsafe(SLAB_BYTES);
  /** Not taken yet: [start, at). */
  private start = 0;
  private at = 0;
  private pieces: Uint8Array[] = [];
  /** Texts of what is the same object for many tasks. */
  private readonly texts = new WeakMap<object, Text>();

  /** @returns what is to be written, in order; empty when there is nothing */
  take(): Uint8Array[] {
    this.cut();
    const { pieces } = this;
    this.pieces = [];
    return pieces;
  }

  environment(number: number, vars: Readonly<Record<string, string>>): void {
    const { text, count } = varsText(vars);
    const head = this.begin('E', 13 + textRoom(text));
    this.put(number);
    this.put(count);
    this.at += this.slab.write(text, this.at);
    this.end(head, 0);
  }

  /** @param kind L to start it now, Q to let it wait for a lane of its group */
  launch(kind: 'L' | 'Q', o: LaunchRequest): void {
    const args = this.known(o.args, argsText);
    const common = this.known(o.common, varsText);
    const [vars, lane] = [varsText(o.vars), varsText(o.lane)];
    let text = `${args.text}${common.text}${vars.text}${lane.text}${o.cwd}\0${o.controlGroup}\0`;
    for (const path of o.paths) text += `${path}\0`;
    const { stdin } = o;
    const copied = stdin === null || stdin.length > COPY_STDIN_BYTES ? 0 : stdin.length;
    const head = this.begin(kind, LAUNCH_HEAD_BYTES + textRoom(text) + 4 * o.cpus.length + copied);
    this.put(o.id);
    this.put(o.environment);
    this.put(o.group);
    this.put(args.count);
    this.put(common.count + vars.count);
    this.put(lane.count);
    this.put(o.cpus.length);
    this.put(stdin === null ? NONE : stdin.length);
    this.put(OUTPUT_CODES[o.outputs[0]] + (o.diesUnnoticed === true ? DIES_UNNOTICED : 0));
    this.put(OUTPUT_CODES[o.outputs[1]]);
    this.at += this.slab.write(text, this.at);
    for (const cpu of o.cpus) this.put(cpu);
    if (copied > 0) {
      this.slab.set(stdin as Uint8Array, this.at);
      this.at += copied;
    }
    const apart = stdin === null ? 0 : stdin.length - copied;
    this.end(head, apart);
    if (apart === 0) return;
    this.cut();
    this.pieces.push(stdin as Uint8Array);
  }

  signal(id: number, signal: number): void {
    const head = this.begin('K', 13);
    this.put(id);
    this.put(signal);
    this.end(head, 0);
  }

  withdraw(id: number): void {
    const head = this.begin('W', 9);
    this.put(id);
    this.end(head, 0);
  }

  release(id: number): void {
    const head = this.begin('R', 9);
    this.put(id);
    this.end(head, 0);
  }

  private known<T extends object>(of: T, make: (of: T) => Text): Text {
    let text = this.texts.get(of);
    if (text === undefined) {
      text = make(of);
      this.texts.set(of, text);
    }
    return text;
  }

  /** @returns position of the frame, whose length `end` fills in */
  private begin(kind: string, roomBytes: number): number {
    if (this.slab.length - this.at < roomBytes) {
      this.cut();
      this.slab = Buffer.allocUnsafe(Math.max(SLAB_BYTES, roomBytes));
      this.start = this.at = 0;
    }
    const head = this.at;
    this.at += 4;
    this.slab[this.at++] = kind.charCodeAt(0);
    return head;
  }

  private end(head: number, apartBytes: number): void {
    this.slab.writeUInt32LE(this.at - head - 4 + apartBytes, head);
  }

  private put(value: number): void {
    this.at = this.slab.writeUInt32LE(value, this.at);
  }

  private cut(): void {
    if (this.at > this.start) this.pieces.push(this.slab.subarray(this.start, this.at));
    this.start = this.at;
  }
}

function argsText(args: readonly string[]): Text {
  let text = '';
  for (const arg of args) text += `${arg}\0`;
  return { text, count: args.length };
}

function varsText(vars: Variables): Text {
  let text = '';
  let count = 0;
  for (const name in vars) {
    text += `${name}=${vars[name]}\0`;
    count += 1;
  }
  return { text, count };
}

/** One character takes three bytes at most; for long texts it is worth counting. */
function textRoom(text: string): number {
  return text.length < SLAB_BYTES / 8 ? text.length * 3 : Buffer.byteLength(text);
}

export interface AnswerHandlers {
  /** `pid`: the process that holds captured output; undefined when it is the one that was started. */
  hello(version: number, pid: number | undefined): void;
  /** `outdated`: another process should be used from now on. */
  noted(text: string, outdated: boolean): void;
  /** `modules`: names of what tasks load, in this order, so that another process may load it before. */
  learned(modules: readonly string[]): void;
  /** `atMs`: Unix time. */
  started(id: number, o: { pid: number; fds: readonly [number, number]; atMs: number }): void;
  /** `next`: what is started with the lane of this one; 0 for none. */
  failed(id: number, o: { step: LaunchStep; errno: number; next: number }): void;
  returned(id: number): void;
  /** `output`: by channel what was captured, undefined when it must be read from the file. */
  ended(id: number, end: AnswerEnd, output: readonly [Buffer | undefined, Buffer | undefined]): void;
}

/** How a process ended, as wait4 tells it. */
export interface AnswerEnd {
  readonly status: number;
  /** Has got the lane of this one; 0 for none. */
  readonly next: number;
  readonly userUs: number;
  readonly systemUs: number;
  readonly peakKb: number;
  readonly wallUs: number;
}

/** Takes answers apart, however they were cut on the way. */
export class AnswerParser {
  private readonly handlers: AnswerHandlers;
  private rest: Buffer | undefined;

  constructor(handlers: AnswerHandlers) {
    this.handlers = handlers;
  }

  push(chunk: Buffer): void {
    const data = this.rest === undefined ? chunk : Buffer.concat([this.rest, chunk]);
    let at = 0;
    while (data.length - at >= 4) {
      const end = at + 4 + data.readUInt32LE(at);
      if (end > data.length) break;
      this.answer(data.subarray(at + 4, end));
      at = end;
    }
    this.rest = at === data.length ? undefined : data.subarray(at);
  }

  private answer(data: Buffer): void {
    const kind = String.fromCharCode(data[0] as number);
    const word = (index: number): number => data.readUInt32LE(1 + 4 * index);
    const long = (index: number): number => word(index) + word(index + 1) * 0x1_0000_0000;
    switch (kind) {
      case 'H':
        this.handlers.hello(word(0), data.length < 9 ? undefined : word(1));
        break;
      case 'N':
      case 'O':
        this.handlers.noted(data.toString('utf8', 1), kind === 'O');
        break;
      case 'M':
        this.handlers.learned(data.toString('utf8', 1).split(' '));
        break;
      case 'S':
        this.handlers.started(word(0), { pid: word(1), fds: [word(2), word(3)], atMs: long(4) / 1000 });
        break;
      case 'F':
        this.handlers.failed(word(0), { step: STEPS[word(1)] ?? 'start', errno: word(2), next: word(3) });
        break;
      case 'W':
        this.handlers.returned(word(0));
        break;
      case 'X': {
        const bytes = 1 + 52;
        const [out, err] = [word(11), word(12)];
        const first = out === NONE ? 0 : out;
        const stdout = out === NONE ? undefined : data.subarray(bytes, bytes + first);
        const stderr = err === NONE ? undefined : data.subarray(bytes + first, bytes + first + err);
        const end = { status: word(1), next: word(2), userUs: long(3), systemUs: long(5), peakKb: long(7), wallUs: long(9) };
        this.handlers.ended(word(0), end, [stdout, stderr]);
        break;
      }
      default:
        throw new Error(`hqspawn answers with an unknown '${kind}'`);
    }
  }
}
