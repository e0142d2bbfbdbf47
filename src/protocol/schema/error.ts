/** The body of every answer that is not a success, and of the `failure` message of an event stream. Written by the API, read by clients. */
import * as z from 'zod';

export const errorBody = z.object({
  error: z.object({
    code: z.string().describe('a code of docs/errors.md; newer servers may send others'),
    message: z.string().describe('one line'),
    hint: z.string().describe('what to do next; may be empty'),
    data: z.record(z.string(), z.union([z.string(), z.number()])).describe('the values in the message'),
  }),
});
export type ErrorBody = z.infer<typeof errorBody>;
