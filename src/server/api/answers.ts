/** Errors as HTTP answers. Used by the app, the guard and, for broken requests that never reach the app, by the listener. */
import type { ServerResponse } from 'node:http';
import type { HqError } from '../../protocol/errors.ts';
import type { ErrorBody } from '../../protocol/schema/error.ts';

/** The JSON that clients turn back into the same `HqError`. */
export function errorBodyOf(error: HqError): ErrorBody {
  return { error: { code: error.code, message: error.message, hint: error.hint, data: { ...error.data } } };
}

/**
 * Answers with JSON.
 * @param text    the JSON; null for an answer without a body
 * @param headers additional ones, e.g. `allow`
 */
export function sendJson(
  outgoing: ServerResponse,
  status: number,
  text: string | null,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (text === null) {
    outgoing.writeHead(status, headers).end();
    return;
  }
  outgoing.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...headers }).end(text);
}

/**
 * Answers with an error; after an answer that was begun already the connection is cut, so that nobody takes it for complete.
 * @param headers additional ones
 */
export function sendError(outgoing: ServerResponse, error: HqError, headers: Readonly<Record<string, string>> = {}): void {
  if (outgoing.headersSent) outgoing.destroy();
  else sendJson(outgoing, error.httpStatus, JSON.stringify(errorBodyOf(error)), headers);
}

/** A whole HTTP/1.1 answer as text, for a connection whose request could not be parsed; it is closed afterwards. */
export function rawErrorAnswer(error: HqError, statusText: string): string {
  const body = JSON.stringify(errorBodyOf(error));
  const head = [
    `HTTP/1.1 ${error.httpStatus} ${statusText}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}
