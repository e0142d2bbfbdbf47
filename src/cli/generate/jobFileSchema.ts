/** `docs/schema/job-file.json`: the JSON Schema of job files, for editors. Called by `scripts/generate.mjs`. */
import * as z from 'zod';
import { jobFile } from '../../protocol/schema/jobFile.ts';

/** @returns the document as a writer of job files needs it; what only the checks of the code can tell is in the descriptions */
export function jobFileDocument(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(jobFile, { io: 'input', reused: 'inline' });
  return { $schema, $comment: 'Generated from src/protocol/schema/jobFile.ts. Do not edit.', title: 'Job file of hq', ...schema };
}
