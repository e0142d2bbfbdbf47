/** The part of pino's logger that the API uses. */
import type { Logger } from 'pino';

export type ApiLogger = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;
