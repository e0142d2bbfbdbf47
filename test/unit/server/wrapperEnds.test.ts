/** Ends of tasks that a workflow manager looks for and no worker can tell: which ones are noted, and how they are left in its files. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { canceledFailure } from '../../../src/common/nextflowWrapper.ts';
import { createJob } from '../../../src/protocol/schema/job.ts';
import { ExitCodes } from '../../../src/server/wrapperEnds.ts';
import { ServerSim } from '../../helpers/serverSim.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hq-ends-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const FAILURE = canceledFailure('by order');

test.each(['shared', 'of one task'])('a manager is told of ends only in jobs with scripts of it, and only of those: %s', async (where) => {
  const sim = new ServerSim();
  const [shared, own] = where === 'shared' ? [{ wrapper: 'nextflow' as const }, {}] : [{}, { wrapper: 'nextflow' as const }];
  const tasks = [
    { id: 0, cwd: 'a', ...own },
    { id: 1, cwd: '/b' },
  ];
  const plain = { kind: 'array' as const, ids: '1-3', spec: { command: ['true'] } };
  const graph = { kind: 'graph' as const, shared: { command: ['true'], ...shared }, tasks };
  await sim.jobs.createJob(createJob.parse({ name: 'plain', submit: { submitDir: '/w', tasks: plain } }));
  await sim.jobs.createJob(createJob.parse({ name: 'graph', submit: { submitDir: '/w', tasks: graph } }));
  expect([sim.store.endsQuietly(1), sim.store.endsQuietly(2)]).toEqual([true, false]);
  const [first, second] = [0, 1].map((id) => sim.store.wrapperDirectory(2, id));
  expect([first, second]).toEqual(['/w/a', where === 'shared' ? '/b' : null]);
});

test('exit codes are left one after the other; one that is there stays; what cannot be written is told and stops nobody', async () => {
  const [mine, fresh] = [join(directory, 'mine'), join(directory, 'fresh')];
  for (const path of [mine, fresh]) mkdirSync(path);
  writeFileSync(join(mine, '.exitcode'), '7');
  const lines: string[] = [];
  const codes = new ExitCodes((line) => lines.push(line));
  codes.leave([{ directory: mine, failure: FAILURE }]);
  codes.leave([
    { directory: join(directory, 'gone'), failure: FAILURE },
    { directory: fresh, failure: FAILURE },
  ]);
  await vi.waitFor(() => expect(readFileSync(join(fresh, '.exitcode'), 'utf8')).toBe('130'));
  expect(readFileSync(join(fresh, '.command.err'), 'utf8')).toBe('hq: by order\n');
  expect(readFileSync(join(mine, '.exitcode'), 'utf8')).toBe('7');
  expect(lines).toEqual([expect.stringMatching(/^the exit code of a task that did not run could not be left: ENOENT.*gone/)]);
});
