/** `hq submit` (= `hq job submit`) and `hq job submit-task`: from flags to one request. */
import { resolve } from 'node:path';
import { HqError } from '../../protocol/errors.ts';
import type { TaskSpecInput } from '../../protocol/schema/task.ts';
import type { Context } from '../context.ts';
import { readAll } from '../readAll.ts';
import { arrayTasks } from '../submit/entries.ts';
import { isSubmitOfNextflow, plainLogOf, refuseForNextflow } from '../submit/nextflowScript.ts';
import { mergeFlags, readScript } from '../submit/script.ts';
import { type Sending, sendSubmit } from '../submit/send.ts';
import { jobFailLimit, type SubmitFlags, taskSpecOf } from '../submit/spec.ts';
import { submitWarnings } from '../submit/warnings.ts';

export async function runSubmit(context: Context, [command]: [string[]], typed: SubmitFlags): Promise<number | undefined> {
  const { io, compat } = context;
  const program = command[0] as string;
  const stdin = typed.stdin === true ? await readAll(io.stdin, io.signal) : undefined;
  const script = await readScript({ mode: typed.directives ?? 'auto', program, io, stdin });
  const configured = configuredFor(context, typed, script.flags);
  const flags = mergeFlags(mergeFlags(withoutConfigured(context, typed), script.flags), configured);
  refuseJobFlags(flags);
  if (script.ofNextflow) refuseForNextflow(flags);
  const scriptResources = hasResources(script.flags) ? script.flags : configured;
  const plain = taskSpecOf([...script.interpreter, ...command], { flags, scriptResources, compat, stdin, env: io.env });
  const spec: TaskSpecInput = script.ofNextflow ? { ...plain, wrapper: 'nextflow' } : plain;
  const { ids, entries } = await arrayTasks(flags, io.cwd);
  // Nextflow reads both streams as one, and takes any line for the answer.
  const mayWarn = context.mode !== 'quiet' || flags.directives !== 'file';
  if (mayWarn) for (const warning of submitWarnings({ flags, taskCount: entries?.length ?? ids?.length ?? 1 })) context.warn(warning);
  const maxFails = jobFailLimit(flags, compat);
  const sending: Sending = {
    ...flags,
    submit: {
      submitDir: io.cwd,
      // Nobody reads warnings about a script that a workflow system has made.
      strict: flags.strict === true || flags.directives === 'file',
      ...(flags.stream === undefined || plainLogOf(flags.stream) !== undefined ? {} : { stream: flags.stream }),
      tasks: {
        kind: 'array',
        spec,
        ...(ids === null ? {} : { ids: ids.toString() }),
        ...(entries === null ? {} : { entries: [...entries] }),
      },
    },
    header: { name: flags.name ?? programName(program), ...(maxFails === undefined ? {} : { maxFails }) },
  };
  if (!isSubmitOfNextflow(typed, program)) return sendSubmit(context, sending);
  const { submitOnce } = await import('../submit/submitOnce.ts');
  return submitOnce(context, { sending, directory: resolve(io.cwd, flags.cwd ?? '') });
}

export async function runSubmitTask(context: Context, [job, command]: [number, string[]], flags: SubmitFlags): Promise<number | undefined> {
  return runSubmit(context, [command], { ...flags, job });
}

/** What was typed alone: options of configuration files count less than those of scripts. */
function withoutConfigured({ configured }: Context, flags: SubmitFlags): SubmitFlags {
  return Object.fromEntries(Object.entries(flags).filter(([name]) => !Object.hasOwn(configured, name)));
}

/** Defaults that go with what the command line and the script say: not those of a job that is there already, nor of single CPUs beside whole workers. */
function configuredFor(context: Context, typed: SubmitFlags, script: SubmitFlags): SubmitFlags {
  const configured = context.configured as SubmitFlags;
  const { name: _name, maxFails: _maxFails, ...ofTasks } = configured;
  const flags = typed.job === undefined ? configured : ofTasks;
  const asked = { ...script, ...withoutConfigured(context, typed) };
  const isWhole = (asked.nodes ?? 0) > 0;
  const isOriginal = context.compat.refuseRepeatedResource && hasResources(asked);
  if (!isWhole && !isOriginal) return flags;
  const { cpus: _cpus, resource: _resource, variant: _variant, pin: _pin, ...others } = flags;
  return others;
}

function hasResources({ cpus, resource, variant }: SubmitFlags): boolean {
  return cpus !== undefined || resource !== undefined || variant !== undefined;
}

function refuseJobFlags({ job, name, maxFails }: SubmitFlags): void {
  const given = [...(name === undefined ? [] : ['--name']), ...(maxFails === undefined ? [] : ['--max-fails'])];
  if (job === undefined || given.length === 0) return;
  throw new HqError('HQ_E_USAGE', { detail: `${given.join(' and ')} cannot be used with --job: the job has it already` });
}

/** The file name of the program, as far as it may be a job name. */
function programName(program: string): string {
  const name = program
    .replace(/\/+$/, '')
    .replace(/^.*\//s, '')
    .replace(/[\n\t]/g, ' ');
  return name === '' ? 'job' : name.slice(0, 4_096);
}
