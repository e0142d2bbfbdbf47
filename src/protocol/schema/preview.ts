/** What would become of a submit: nothing is changed by asking. Worked out by `server/submitPreview.ts`. */
import * as z from 'zod';
import { queueForTask, variantExplained } from './explain.ts';
import { jobId, submit } from './task.ts';

/** POST /v1/preview */
export const previewRequest = z.strictObject({
  jobId: jobId.optional().describe('an open job that would get the tasks; left out: a new one'),
  submit,
});
export type PreviewRequest = z.infer<typeof previewRequest>;
export type PreviewRequestInput = z.input<typeof previewRequest>;

/** Tasks with the same request. */
export const requestPreview = z.object({
  taskIds: z.string().describe('like 1-10,20'),
  taskCount: z.int(),
  variants: z
    .array(variantExplained)
    .describe('per alternative, which workers could start such a task now, and what is in the way on the others'),
  queues: z.array(queueForTask).describe('what allocation queues would do about them'),
});

/** The answer: what a submit would answer, and where its tasks fit. */
export const submitPreview = z.object({
  taskIds: z.string().describe('ids that the tasks would get'),
  taskCount: z.int(),
  warnings: z.array(z.string()).describe('e.g. a resource that no worker has'),
  requests: z.array(requestPreview).describe('in the order of their first task, at most 50'),
  moreRequests: z.int().describe('further requests'),
});
export type SubmitPreview = z.infer<typeof submitPreview>;
