/** The dashboard on a terminal: keys come in, frames go out, several a second. Run by `hq dashboard`. */
import { createInterface, emitKeypressEvents } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { createLogUpdate } from 'log-update';
import type { Scene } from './scene.ts';
import { FIRST_SCREEN, pressed, type Screen } from './screen.ts';
import { view } from './view.ts';

/** A terminal. */
export interface Terminal {
  readonly stdin: Readable & { setRawMode?: (on: boolean) => unknown };
  readonly stdout: Writable & { columns?: number; rows?: number };
  readonly colors: boolean;
  /** Ends the dashboard. */
  readonly signal: AbortSignal;
}

/** Where scenes come from. */
export interface Source {
  readonly isReplay: boolean;
  /** Between two frames, milliseconds. */
  readonly frameMs: number;
  /** @param o.back the person has asked to go back in a replay */
  next(screen: Screen, o: { back: boolean }): Promise<Scene> | Scene;
}

/** Another screen of the terminal, so that what was there before is there afterwards. */
const ENTER = '\u001b[?1049h';
const LEAVE = '\u001b[?1049l';
const COLUMNS = 80;
const ROWS = 24;

/**
 * Returns when the person has pressed q, or the signal was aborted.
 * @throws what the source throws for its first scene; later failures are shown
 */
export async function runApp(terminal: Terminal, source: Source): Promise<void> {
  const { stdin, stdout, signal } = terminal;
  let screen = FIRST_SCREEN;
  let scene = await source.next(screen, { back: false });
  const ended = new AbortController();
  const draw = createLogUpdate(stdout as NodeJS.WriteStream);
  const show = (): void => {
    const { columns = COLUMNS, rows = ROWS } = stdout;
    // One line less: a line break behind the last one would scroll.
    draw(view(scene, screen, { columns, rows: rows - 1, colors: terminal.colors, isReplay: source.isReplay }).join('\n'));
  };
  const look = async (back = false): Promise<void> => {
    scene = await Promise.resolve(source.next(screen, { back })).catch((error: Error) => ({ ...scene, note: error.message }));
    if (!ended.signal.aborted) show();
  };
  const press = (_text: string | undefined, key: { name?: string; ctrl?: boolean; sequence?: string }): void => {
    const name = key.name ?? key.sequence ?? '';
    if (name === 'q' || (key.ctrl === true && name === 'c')) return ended.abort();
    const before = screen;
    screen = pressed(screen, name, scene);
    if (screen.jobId !== before.jobId || name === 'b') void look(name === 'b');
    else show();
  };
  const leave = (): void => ended.abort();
  const keys = createInterface({ input: stdin, escapeCodeTimeout: 50 });
  emitKeypressEvents(stdin, keys);
  stdin.setRawMode?.(true);
  stdin.on('keypress', press);
  stdin.once('end', leave);
  stdout.on('resize', show);
  signal.addEventListener('abort', leave);
  stdout.write(ENTER);
  try {
    show();
    while (!ended.signal.aborted) {
      await pause(source.frameMs, ended.signal);
      if (!ended.signal.aborted) await look();
    }
  } finally {
    draw.done();
    stdout.write(LEAVE);
    signal.removeEventListener('abort', leave);
    stdout.off('resize', show);
    stdin.off('keypress', press);
    stdin.setRawMode?.(false);
    keys.close();
    stdin.pause();
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(finish, ms);
    function finish(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      done();
    }
    signal.addEventListener('abort', finish);
  });
}
