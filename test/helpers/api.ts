/** The typed client on a cluster's server, for end-to-end tests that look often: a look costs a millisecond instead of a process. */
import { connectClient, type HqClient } from '../../src/client/client.ts';
import type { JobInfo } from '../../src/protocol/schema/job.ts';
import { type SubmitInput, type TaskSpecInput, type TaskState, taskSpec } from '../../src/protocol/schema/task.ts';
import { type Cluster, waitFor } from './cluster.ts';

/** A client of the cluster's server; the caller closes it. */
export function clientOf(cluster: Cluster): Promise<HqClient> {
  return connectClient({ env: cluster.env, io: { cwd: cluster.work } });
}

/** A submit of like tasks that run `sh -c script`, in the cluster's working directory, without output files. */
export function scriptSubmit(
  cluster: Cluster,
  script: string,
  o: { ids?: string; stream?: string } & Partial<TaskSpecInput> = {},
): SubmitInput {
  const { ids, stream, ...given } = o;
  const quiet = stream === undefined ? { stdout: null, stderr: null } : {};
  const spec = taskSpec.parse({ command: ['sh', '-c', script], ...quiet, ...given });
  return {
    submitDir: cluster.work,
    ...(stream === undefined ? {} : { stream }),
    tasks: { kind: 'array', spec, ...(ids === undefined ? {} : { ids }) },
  };
}

/** State of every task of a job, by task id. */
export async function taskStates(client: HqClient, jobId: number): Promise<Map<number, TaskState>> {
  return new Map((await client.listTasks(jobId)).map(({ id, state }) => [id, state]));
}

/** Waits until no task of the job waits or runs; the job. */
export function ended(client: HqClient, jobId: number, timeoutMs?: number): Promise<JobInfo> {
  const probe = async (): Promise<JobInfo | false> => {
    const [job] = await client.listJobs({ ids: String(jobId) });
    if (job === undefined) throw new Error(`there is no job ${jobId}`);
    return job.stats.waiting + job.stats.running === 0 && job;
  };
  return waitFor(`job ${jobId} to end`, probe, timeoutMs);
}
