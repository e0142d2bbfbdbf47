/** Runs of Snakemake on a server: which job is one, and what its tasks are called. Used by `hq logs snakemake` and `hq report snakemake`. */
import type { HqClient } from '../../client/client.ts';
import { HqError } from '../../protocol/errors.ts';
import type { JobInfo } from '../../protocol/schema/job.ts';
import type { Context } from '../context.ts';

/** Label that the executor plugin gives to the job of a run: the run's id. */
const RUN_LABEL = 'snakemake-run';
/** Whoever types part of a run's id means one run. */
const ID_PREFIX_LEAST = 6;

/**
 * @param text as for `runNamed`
 * @throws HqError HQ_E_RUN_SERVER when no server runs, else what `runNamed` throws
 */
export async function selectRun(text: string, context: Context): Promise<{ client: HqClient; run: JobInfo }> {
  try {
    const client = await context.client();
    return { client, run: await runNamed(text, client) };
  } catch (error) {
    if (!(error instanceof HqError) || error.code !== 'HQ_E_NO_SERVER') throw error;
    throw new HqError('HQ_E_RUN_SERVER', { path: context.serverDir }, { cause: error });
  }
}

/**
 * @param text `last`, the id of the run's job, or the beginning of the run's own id
 * @throws HqError HQ_E_NOTHING_SELECTED when no run was ever submitted, HQ_E_USAGE when the text names none
 */
async function runNamed(text: string, client: HqClient): Promise<JobInfo> {
  const runs = (await client.listJobs()).filter((job) => job.labels[RUN_LABEL] !== undefined);
  const last = runs.at(-1);
  if (last === undefined) throw new HqError('HQ_E_NOTHING_SELECTED', { what: 'run of Snakemake' });
  if (text === 'last') return last;
  const isIdPart = text.length >= ID_PREFIX_LEAST;
  const run = runs.find((job) => String(job.id) === text || (isIdPart && job.labels[RUN_LABEL]?.startsWith(text) === true));
  if (run !== undefined) return run;
  const known = runs.slice(-5).map(({ id }) => id);
  throw new HqError('HQ_E_USAGE', { detail: `'${text}' is no run of Snakemake: give last or the id of a job (${known.join(', ')})` });
}

/** Which jobs of a run are meant. */
export interface JobChoice {
  readonly rule?: string | undefined;
  /** `name=value`, all of which must hold. */
  readonly wildcards: readonly string[];
}

/** @returns the rule in a task's label, `rule sample=a,unit=1`; of a group its name */
export function ruleOf(label: string | null): string {
  return label?.split(' ', 1)[0] ?? '';
}

/** Whether a task's label is one of the chosen jobs'. A value with a comma in it is known by its whole text. */
export function isChosen(label: string | null, { rule, wildcards }: JobChoice): boolean {
  if (rule !== undefined && ruleOf(label) !== rule) return false;
  const rest = `,${label?.slice(ruleOf(label).length + 1) ?? ''},`;
  return wildcards.every((wildcard) => rest.includes(`,${wildcard},`));
}
