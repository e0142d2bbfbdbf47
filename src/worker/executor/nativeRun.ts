/**
 * A task between its launch by hqspawn and its end, and the handle by which others reach it. Very many come and go: one object each, and nothing
 * is made for channels that are not captured. Made by the native launcher.
 */
import type { Lane, LaunchSpec, OnExit, QueuedEvents, QueuedHandle } from './launcher.ts';
import type { NativeCapture } from './nativeCapture.ts';

/** What a run asks its launcher for. */
interface RunOwner {
  signal(id: number, signal: 'SIGINT' | 'SIGKILL'): void;
  withdraw(id: number): void;
}

/** Index of a channel in answers: stdout, stderr. */
type ChannelIndex = 0 | 1;

const NONE: readonly never[] = [];
const NOTHING = Buffer.alloc(0);

export class NativeRun implements QueuedHandle {
  readonly id: number;
  readonly spec: LaunchSpec;
  /** CPUs of its lane. */
  readonly cpus: Lane['cpus'];
  readonly onExit: OnExit;
  /** Set while it waits for a lane. */
  onReturned: QueuedEvents['onReturned'] | null;
  /** Main process; 0 while it is not known. */
  pid = 0;
  /** Unix time, milliseconds. */
  startedAtMs = 0;
  /** By channel; undefined where nothing is captured. */
  readonly captures: readonly (NativeCapture | undefined)[];
  /** The channels that are. */
  readonly captured: readonly ChannelIndex[];
  private readonly owner: RunOwner;

  constructor(id: number, owner: RunOwner, o: Pick<NativeRun, 'spec' | 'cpus' | 'onExit' | 'onReturned'>) {
    this.id = id;
    this.owner = owner;
    this.spec = o.spec;
    this.cpus = o.cpus;
    this.onExit = o.onExit;
    this.onReturned = o.onReturned;
    const [stdout, stderr] = [captureOf(o.spec.stdout), captureOf(o.spec.stderr)];
    const captures = stdout !== undefined || stderr !== undefined;
    this.captures = captures ? [stdout, stderr] : NONE;
    this.captured = captures ? ([0, 1] as const).filter((index) => this.captures[index] !== undefined) : NONE;
  }

  /** Files of the channels that go to one. */
  get paths(): readonly string[] {
    const { stdout, stderr } = this.spec;
    if (stdout.kind !== 'file' && stderr.kind !== 'file') return NONE;
    const paths: string[] = [];
    if (stdout.kind === 'file') paths.push(stdout.path);
    if (stderr.kind === 'file') paths.push(stderr.path);
    return paths;
  }

  signalGroup(signal: 'SIGINT' | 'SIGKILL'): void {
    this.owner.signal(this.id, signal);
  }

  withdraw(): void {
    this.owner.withdraw(this.id);
  }

  /** Nothing more comes: the task was not started, or its launcher is gone. */
  endCaptures(): void {
    for (const capture of this.captures) capture?.ended(NOTHING);
  }
}

function captureOf(target: LaunchSpec['stderr']): NativeCapture | undefined {
  return target.kind === 'capture' ? (target.capture as NativeCapture) : undefined;
}
