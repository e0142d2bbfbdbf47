/** What is said of an error that nobody expected. Used where commands end: the process' entry and the thread that runs them for others. */
import { VERSION } from '../protocol/version.ts';

/** @returns lines for standard error */
export function internalErrorText(error: unknown): string {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `ERROR internal error in hq-bridge ${VERSION}, please report it with these lines:\n${detail}\n`;
}
