/** `hq report snakemake`: what the jobs of a workflow run asked for and used, with advice. */
import { join, resolve } from 'node:path';
import type { HqClient } from '../../client/client.ts';
import { HqError } from '../../protocol/errors.ts';
import { type HqEvent, TASK_EVENT_TYPES } from '../../protocol/schema/event.ts';
import type { JobInfo } from '../../protocol/schema/job.ts';
import type { SnakemakeReport } from '../../protocol/schema/snakemakeReport.ts';
import { taskSpec } from '../../protocol/schema/task.ts';
import { attemptsOf, type SubmittedJob } from '../../report/snakemake/attempts.ts';
import { snakemakePage } from '../../report/snakemake/page.ts';
import { rulesCsv } from '../../report/snakemake/rows.ts';
import { makeReport } from '../../report/snakemake/rules.ts';
import { allTasks } from '../allTasks.ts';
import type { Context } from '../context.ts';
import type { SnakemakeReportFiles } from '../output/output.ts';
import { parseIdList } from '../selectors.ts';
import { ruleOf, selectRun } from '../snakemake/run.ts';
import { makeFolder, writeTextFile } from '../textFile.ts';

export async function runSnakemakeReport(context: Context, [text]: [string], options: { out?: string }): Promise<undefined> {
  const { client, run } = await selectRun(text, context);
  const [jobs, events, workers, server] = [
    await submittedJobs(client, run),
    await eventsOf(client, run.id),
    await client.listWorkers({ all: true }),
    await client.serverInfo(),
  ];
  const { startedAtMs, attempts } = attemptsOf({ events, jobs, nowMs: server.nowMs ?? Date.now() });
  if (attempts.length === 0) throw new HqError('HQ_E_NOTHING_SELECTED', { what: 'job of this run that has started' });
  const hosts = new Map(workers.map(({ id, configuration }) => [id, configuration.hostname]));
  const report = makeReport({ job: { jobId: run.id, name: run.name, startedAt: new Date(startedAtMs).toISOString() }, attempts, hosts });
  context.output.snakemakeReport(report, options.out === undefined ? undefined : await writeReport(context, report, options.out));
}

/**
 * What was submitted, by task. The server tells the specifications of the first 1,000 tasks of each submit. Another task gets that of one of its rule, which is asked
 * for where none has been told: a request per rule, not per task.
 */
async function submittedJobs(client: HqClient, { id }: JobInfo): Promise<Map<number, SubmittedJob>> {
  const specs = new Map<number, SubmittedJob['spec']>();
  for (const { taskIds, specs: given } of (await client.jobDetail(id)).submits) {
    const ids = parseIdList(taskIds);
    given.forEach((spec, index) => {
      specs.set(ids.at(index) as number, taskSpec.parse(spec));
    });
  }
  const ofRule = new Map<string, SubmittedJob['spec']>();
  const jobs = new Map<number, SubmittedJob>();
  for (const task of await allTasks(client, id)) {
    const rule = ruleOf(task.label);
    const spec = specs.get(task.id) ?? ofRule.get(rule) ?? (await client.taskDetail(id, task.id)).spec;
    ofRule.set(rule, spec);
    jobs.set(task.id, { rule, label: task.label ?? '', spec });
  }
  return jobs;
}

async function eventsOf(client: HqClient, jobId: number): Promise<HqEvent[]> {
  const events: HqEvent[] = [];
  for await (const batch of client.events({ after: 0, follow: false, jobIds: [jobId], types: TASK_EVENT_TYPES })) events.push(...batch);
  return events;
}

/** Makes the directory. @throws HqError HQ_E_FILE_WRITE */
async function writeReport({ io }: Context, report: SnakemakeReport, out: string): Promise<SnakemakeReportFiles> {
  const directory = resolve(io.cwd, out);
  await makeFolder(directory);
  const files = { page: join(directory, 'report.html'), csv: join(directory, 'report.csv'), json: join(directory, 'report.json') };
  await writeTextFile(files.json, `${JSON.stringify(report, null, 1)}\n`, io);
  await writeTextFile(files.csv, rulesCsv(report), io);
  await writeTextFile(files.page, snakemakePage(report), io);
  return files;
}
