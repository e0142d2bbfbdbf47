/**
 * File names in a stream directory, pure. The writer asks which name to try next, the reader which names are logs.
 * The name is only for people and for finding files: whose log a file is, its identity record says.
 */

export interface LogName {
  readonly jobId: number;
  /** True for `job-N.log` and `job-N-UID.log`, false for the further files of the same job (`….log.wW`). */
  readonly first: boolean;
}

const PATTERN = /^job-(\d{1,10})(?:-[\w-]+)?\.log(\.w\d+(?:\.\d+)?)?$/;

/** @returns undefined when the name is not that of an output log */
export function parseLogName(name: string): LogName | undefined {
  const match = PATTERN.exec(name);
  return match ? { jobId: Number(match[1]), first: match[2] === undefined } : undefined;
}

/** Who holds the file that a writer wanted: `unknown` when its identity cannot be read (being made just now, damaged, no log at all). */
export type Owner = 'same server' | 'other server' | 'unknown';

/** The name that the first writer of a job takes. */
export function plainName(jobId: number): string {
  return `job-${jobId}.log`;
}

/** Names to try, in order, after `job-N.log` turned out to be held by `owner`. Endless: the last ones are numbered. */
export function* furtherNames(o: { jobId: number; serverUid: string; workerId: number; owner: Owner }): Generator<string> {
  // A uid is letters and digits; anything else must not become a path.
  const own = `job-${o.jobId}-${o.serverUid.replace(/[^\w-]/g, '_')}.log`;
  if (o.owner === 'other server') yield own;
  // Of an unreadable file nobody knows the server, so the name must say both: server and worker.
  const base = `${o.owner === 'same server' ? plainName(o.jobId) : own}.w${o.workerId}`;
  yield base;
  for (let n = 2; ; n++) yield `${base}.${n}`;
}
