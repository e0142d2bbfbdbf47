/** What a task tells with `hq task notify`: one line of JSON over the socket of its worker, one line back. */
import * as z from 'zod';
import { jobId, taskId } from './task.ts';

/** Longest message, bytes of UTF-8; as in the original. */
export const NOTE_MAX_BYTES = 1_024;
/** Longest line on the socket, bytes: JSON may write a byte as six. */
export const NOTE_LINE_BYTES: number = 8 * NOTE_MAX_BYTES;

/** The request. */
export const note = z.strictObject({
  /** Of the worker; from HQ_ACCESS_KEY. */
  token: z.string(),
  jobId,
  taskId,
  instance: z.int().min(0),
  message: z.string().refine((text) => Buffer.byteLength(text) <= NOTE_MAX_BYTES, `at most ${NOTE_MAX_BYTES} bytes are possible`),
});
export type Note = z.infer<typeof note>;

/** The answer: null when the worker has taken it and will tell the server, else why not. */
export const noteAnswer = z.strictObject({ error: z.string().nullable() });
