/** `hq submit` (= `hq job submit`) and `hq job submit-task`: from flags to one request. */
import { IntArray } from '../../common/intArray.ts';
import { HqError } from '../../protocol/errors.ts';
import type { SubmitInput } from '../../protocol/schema/task.ts';
import type { Context } from '../context.ts';
import { readAll } from '../readAll.ts';
import { sendSubmit } from '../submit/send.ts';
import { jobFailLimit, type SubmitFlags, taskSpecOf } from '../submit/spec.ts';
import { submitWarnings } from '../submit/warnings.ts';

export async function runSubmit(context: Context, [command]: [string[]], flags: SubmitFlags): Promise<number | undefined> {
  const { request, jobFlags } = await prepare(context, command, flags);
  if (flags.job !== undefined && jobFlags.length > 0)
    throw new HqError('HQ_E_USAGE', { detail: `${jobFlags.join(' and ')} cannot be used with --job: the job has it already` });
  const maxFails = jobFailLimit(flags, context.compat);
  const name = flags.name ?? programName(command[0] as string);
  return sendSubmit(context, { ...flags, submit: request, header: { name, ...(maxFails === undefined ? {} : { maxFails }) } });
}

export async function runSubmitTask(context: Context, [job, command]: [number, string[]], flags: SubmitFlags): Promise<number | undefined> {
  return runSubmit(context, [command], { ...flags, job });
}

async function prepare(context: Context, command: string[], flags: SubmitFlags): Promise<{ request: SubmitInput; jobFlags: string[] }> {
  const stdin = flags.stdin === true ? await readAll(context.io.stdin, context.io.signal) : undefined;
  const spec = taskSpecOf(command, { flags, compat: context.compat, stdin });
  const ids = flags.array === undefined ? undefined : IntArray.parse(flags.array);
  if (typeof ids === 'string') throw new HqError('HQ_E_ARRAY', { input: flags.array as string, detail: ids });
  for (const warning of submitWarnings({ flags, taskCount: ids?.length ?? 1 })) context.warn(warning);
  const request: SubmitInput = {
    submitDir: context.io.cwd,
    strict: flags.strict === true,
    ...(flags.stream === undefined ? {} : { stream: flags.stream }),
    tasks: { kind: 'array', spec, ...(ids === undefined ? {} : { ids: ids.toString() }) },
  };
  const jobFlags = [...(flags.name === undefined ? [] : ['--name']), ...(flags.maxFails === undefined ? [] : ['--max-fails'])];
  return { request, jobFlags };
}

/** The file name of the program, as far as it may be a job name. */
function programName(program: string): string {
  const name = program
    .replace(/\/+$/, '')
    .replace(/^.*\//s, '')
    .replace(/[\n\t]/g, ' ');
  return name === '' ? 'job' : name.slice(0, 4_096);
}
