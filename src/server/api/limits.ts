/** Bounds that keep one client from harming the server. Given to the app and to its listeners; tests choose small ones. */

export interface ApiLimits {
  /** Largest request body, bytes. */
  readonly bodyBytes: number;
  /** Largest head of a request (all headers), bytes. */
  readonly headerBytes: number;
  /** Time for the head of a request to arrive, from the connection or the end of the request before. */
  readonly headersTimeoutMs: number;
  /** Time for a whole request to arrive. */
  readonly requestTimeoutMs: number;
  /** An idle connection is closed after this time. */
  readonly idleMs: number;
  /** Silence on an event stream is broken by a comment after this time. */
  readonly eventKeepAliveMs: number;
  /** An event stream whose reader takes nothing for this time is cut off. */
  readonly eventStallMs: number;
  /** The output of a task whose reader takes nothing for this time is cut off. */
  readonly outputStallMs: number;
  /** Most connections of one listener. */
  readonly connections: number;
}

export const DEFAULT_LIMITS: ApiLimits = {
  // A submit of 100,000 unlike tasks is about 150 MB; JavaScript's longest string is 512 MiB.
  bodyBytes: 256 * 1024 * 1024,
  headerBytes: 16 * 1024,
  headersTimeoutMs: 15_000,
  // 256 MiB over a line of 4 Mbit/s.
  requestTimeoutMs: 600_000,
  // Longer than our own clients keep a connection (30 s), so that it is never the server that closes one in which a request is on its way.
  idleMs: 75_000,
  // Below the minute after which address translation and proxies forget a silent connection.
  eventKeepAliveMs: 15_000,
  eventStallMs: 60_000,
  // A person who pages through it may stop to think; a process that was stopped holds a connection and a file.
  outputStallMs: 600_000,
  // Below the usual limit of 1,024 open files, which workers and the journal share.
  connections: 512,
};
