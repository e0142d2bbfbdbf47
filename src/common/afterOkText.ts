/** `JOB` or `JOB.TASKS`: tasks of an earlier submit, as the command line and job files name what must finish first. */
import { IntArray } from './intArray.ts';

interface AfterOkText {
  /** Id, or `last`: the newest job. */
  readonly job: number | 'last';
  /** Task ids like 1-10,20; undefined: all tasks that the job has. */
  readonly tasks: string | undefined;
}

/** @returns what is named; a sentence when it is not understood */
export function parseAfterOk(text: string): AfterOkText | string {
  const dot = text.indexOf('.');
  const jobText = dot < 0 ? text : text.slice(0, dot);
  const job = jobText === 'last' ? 'last' : Number(/^[1-9]\d{0,9}$/.test(jobText) ? jobText : Number.NaN);
  if (Number.isNaN(job) || Number(job) > 0xffff_ffff)
    return `'${text}' does not begin with a job id or last: JOB or JOB.TASKS like 3, last or 3.1-5 is expected`;
  if (dot < 0) return { job, tasks: undefined };
  const ids = IntArray.parse(text.slice(dot + 1));
  return typeof ids === 'string' ? `'${text}' has no task ids after the dot: ${ids}` : { job, tasks: ids.toString() };
}
