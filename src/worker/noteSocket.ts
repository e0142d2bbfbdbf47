/**
 * The worker's Unix socket for `hq task notify`. The file system is the login: the socket lies in a directory that only the worker's user can
 * enter. Tasks find its path and a token in HQ_ACCESS_KEY. Opened by `runWorker`; the worker sets `onNote`.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { badField } from '../protocol/badField.ts';
import { NOTE_LINE_BYTES, type Note, note } from '../protocol/schema/note.ts';

/** `sun_path` of Linux is 108 bytes with its final zero. */
const SOCKET_PATH_MAX_BYTES = 107;
/** A command writes its line at once, milliseconds. */
const LINE_TIMEOUT_MS = 10_000;
/** Commands at a time. */
const CONNECTIONS_MAX = 64;

export class NoteSocket {
  /** Value of HQ_ACCESS_KEY. */
  readonly accessKey: string;
  /** @returns null when the message was taken, else why not */
  onNote: (note: Note) => string | null = () => 'the worker is not connected to its server yet';
  private readonly path: string;
  private readonly token: string = randomBytes(16).toString('hex');
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  private constructor(path: string) {
    this.path = path;
    this.accessKey = `${path}:${this.token}`;
    this.server = createServer((socket) => this.serve(socket));
    this.server.maxConnections = CONNECTIONS_MAX;
  }

  /**
   * @param workDir the worker's own directory; a path that is too long for sockets is replaced by one in the system's directory for temporary files
   * @throws errors of the file system
   */
  static async open(workDir: string): Promise<NoteSocket> {
    const inside = join(workDir, 'notify');
    const path = Buffer.byteLength(inside) <= SOCKET_PATH_MAX_BYTES ? inside : join(mkdtempSync(join(tmpdir(), 'hq-notify-')), 'notify');
    const opened = new NoteSocket(path);
    await new Promise<void>((resolve, reject) => {
      opened.server.once('error', reject);
      opened.server.listen(path, resolve);
    });
    // Notes alone keep no worker alive.
    opened.server.unref();
    return opened;
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    rmSync(this.path, { force: true });
    if (dirname(this.path).startsWith(join(tmpdir(), 'hq-notify-'))) rmSync(dirname(this.path), { recursive: true, force: true });
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    let text = '';
    socket.setEncoding('utf8');
    socket.setTimeout(LINE_TIMEOUT_MS, () => socket.destroy());
    // Its end is told by `close`.
    socket.on('error', () => {});
    socket.once('close', () => this.sockets.delete(socket));
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end < 0 && text.length <= NOTE_LINE_BYTES) return;
      socket.removeAllListeners('data');
      socket.end(`${JSON.stringify({ error: end < 0 ? 'the line is too long' : this.take(text.slice(0, end)) })}\n`);
    });
  }

  private take(line: string): string | null {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      return 'it is not JSON';
    }
    const checked = note.safeParse(value);
    if (!checked.success) return badField(checked.error, 'the message');
    const [given, own] = [Buffer.from(checked.data.token), Buffer.from(this.token)];
    if (given.length !== own.length || !timingSafeEqual(given, own)) return 'the token is not that of this worker';
    return this.onNote(checked.data);
  }
}
