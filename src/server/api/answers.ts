/** Errors as HTTP answers. Used by the app, the guard and, for broken requests that never reach the app, by the listener. */
import type { HqError } from '../../protocol/errors.ts';
import type { ErrorBody } from '../../protocol/schema/error.ts';

/** The JSON that clients turn back into the same `HqError`. */
export function errorBodyOf(error: HqError): ErrorBody {
  return { error: { code: error.code, message: error.message, hint: error.hint, data: { ...error.data } } };
}

/** @param headers additional ones, e.g. `Allow` */
export function errorResponse(error: HqError, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(errorBodyOf(error)), {
    status: error.httpStatus,
    headers: { 'content-type': 'application/json', ...headers },
  });
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
