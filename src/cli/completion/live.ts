/** Ids that a running server knows, for completion. */
import type { HqClient } from '../../client/client.ts';
import { jobState } from '../../protocol/jobState.ts';
import { workerState } from '../output/states.ts';
import { parseSelector, select } from '../selectors.ts';
import type { Candidate, Live } from './candidates.ts';

/** More than a person would look through. */
const TASKS_MAX = 100;

/**
 * @returns the newest first
 * @throws HqError when there is no server or no such job
 */
export async function liveCandidates(client: HqClient, asked: Live): Promise<Candidate[]> {
  switch (asked.kind) {
    case 'jobs': {
      const jobs = await client.listJobs();
      return [
        ...words(asked.words),
        ...jobs.reverse().map((job) => ({ value: String(job.id), description: `${job.name} ${jobState(job)}` })),
      ];
    }
    case 'workers': {
      const workers = await client.listWorkers();
      const lines = workers.map((worker) => ({
        value: String(worker.id),
        description: `${worker.configuration.hostname} ${workerState(worker)}`,
      }));
      return [...words(asked.words), ...lines.reverse()];
    }
    case 'queues': {
      const queues = await client.listQueues();
      return queues.map(({ id, params, manager, state }) => ({ value: String(id), description: `${params.name ?? manager} ${state}` }));
    }
    case 'tasks': {
      const known = (await client.listJobs()).map(({ id }) => id);
      const { ids } = select(parseSelector(asked.job), known, 'job');
      const tasks = ids[0] === undefined ? [] : await client.listTasks(ids[0], { limit: TASKS_MAX });
      return tasks.map(({ id, state }) => ({ value: String(id), description: state }));
    }
  }
}

function words(all: readonly string[]): Candidate[] {
  return all.map((value) => ({ value, description: value === 'last' ? 'the newest one' : 'every one' }));
}
