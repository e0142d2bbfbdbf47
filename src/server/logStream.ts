/** The server's log for people: pino's records as `<time>Z LEVEL message`, the form of the original's lines on stderr. */
import { type Logger, pino } from 'pino';

const LEVELS: Readonly<Record<number, string>> = { 20: 'DEBUG', 30: 'INFO', 40: 'WARN', 50: 'ERROR', 60: 'ERROR' };

interface LogRecord {
  readonly level: number;
  readonly time: number;
  readonly msg?: string;
  readonly err?: { readonly stack?: string };
  readonly [key: string]: unknown;
}

/** @param target lines go here, one write per line */
export function makeLog(target: NodeJS.WritableStream, debug: boolean): Logger {
  return pino(
    { level: debug ? 'debug' : 'info', base: null },
    { write: (line) => void target.write(`${format(JSON.parse(line) as LogRecord)}\n`) },
  );
}

/** Further fields follow the message as `key=value`; a stack comes on lines of its own. */
function format({ level, time, msg, err, ...rest }: LogRecord): string {
  const fields = Object.entries(rest).map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const stack = err?.stack === undefined ? '' : `\n${err.stack}`;
  return `${new Date(time).toISOString().slice(0, 19)}Z ${LEVELS[level] ?? 'INFO'} ${msg ?? ''}${fields.join('')}${stack}`;
}
