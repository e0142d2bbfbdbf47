/** `hq submit --directives=file .command.run`: the lines that Nextflow writes, as recorded from Nextflow 24.10 and 25.04, and what becomes of them. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nextflowWords } from '../../../src/cli/submit/nextflowScript.ts';
import { CliWorld } from '../../helpers/cli.ts';
import { job } from '../../helpers/cliFacade.ts';

let world: CliWorld;
beforeEach(async () => {
  world = new CliWorld();
  await world.start();
});
afterEach(() => world.stop());

interface Sent {
  name: string;
  submit: { strict: boolean; stream?: string; tasks: { spec: Record<string, unknown> } };
}

const SUBMIT = ['--output-mode=quiet', 'submit', '--directives=file', '.command.run'];
const script = (lines: readonly string[]): string => ['#!/bin/bash', ...lines.map((line) => `#HQ ${line}`), 'NXF_CHDIR=/w', ''].join('\n');

/** What is sent for a script with these lines; nothing may be printed but the id. */
async function sent(...lines: string[]): Promise<Sent> {
  world.write('.command.run', script(lines));
  world.facade.changes.length = 0;
  const { code, stdout, stderr } = await world.hq(SUBMIT);
  expect({ code, stdout: stdout.replace(/^\d+\n$/, 'id'), stderr }).toEqual({ code: 0, stdout: 'id', stderr: '' });
  return world.facade.changes[0]?.at(-1) as Sent;
}

const resources = ({ submit }: Sent): unknown => (submit.tasks.spec['request'] as { resources: unknown }[]).map((one) => one.resources);

test('every directive of a process arrives, and the log is one plain file', async () => {
  const request = await sent(
    '--name nf-GPU',
    '--stream /w/7e/564c/.command.log',
    '--cwd /w/7e/564c',
    '--resource mem=1024',
    '--cpus 1',
    '--time-limit 3723sec',
    '--resource gpus=1',
    '--priority 7',
  );
  const log = { path: '/w/7e/564c/.command.log', onClose: 'keep' };
  expect(request.name).toBe('nf-GPU');
  expect(request.submit).not.toHaveProperty('stream');
  expect(request.submit.strict).toBe(true);
  expect(request.submit.tasks.spec).toMatchObject({
    command: ['/bin/bash', '.command.run'],
    cwd: '/w/7e/564c',
    stdout: log,
    stderr: log,
    priority: 7,
    timeLimitMs: 3_723_000,
    wrapper: 'nextflow',
  });
  expect(resources(request)).toEqual([{ mem: '1024', cpus: '1', gpus: '1' }]);
});

test('names and paths are what they were before Nextflow wrote them', async () => {
  const named = await sent(String.raw`--name nf-x_(a"b\c'd_ž[1]`, '--cwd /w');
  expect(named.name).toBe(String.raw`nf-x_(a"b\c'd_ž[1]`);
  const old = await sent('--name nf-x', String.raw`--log "/w/sp\ ace\(1\)/.command.log"`, String.raw`--cwd "/w/sp\ ace\(1\)/it\'s\\\""`);
  expect(old.submit.tasks.spec).toMatchObject({ cwd: String.raw`/w/sp ace(1)/it's\"`, stdout: { path: '/w/sp ace(1)/.command.log' } });
});

test('numbers that mean nothing ask for nothing; the shortest time is a second', async () => {
  const request = await sent('--name nf-x', '--resource mem=0', '--resource gpus=null', '--time-limit 0sec');
  expect(resources(request)).toEqual([{ cpus: '1' }]);
  expect(request.submit.tasks.spec).toMatchObject({ timeLimitMs: 1_000 });
});

test('lines of clusterOptions are read as everywhere, and warn nobody', async () => {
  const request = await sent('--name nf-x', '--resource "gpus=0.5" --env "A=b c" --env "A=d"', '--stdout none --cwd /w/%{NONSENSE}');
  expect(resources(request)).toEqual([{ gpus: '0.5', cpus: '1' }]);
  expect(request.submit.tasks.spec).toMatchObject({ env: { A: 'd' }, stdout: null, cwd: '/w/%{NONSENSE}' });
});

test.each([
  ['--max-retries 2', /'--max-retries' cannot be used with Nextflow's .command.run: .*errorStrategy/],
  ['--array 1-3', /'--array' cannot be used with Nextflow's/],
  ['--no-such-option', /\.command\.run:2: unexpected argument '--no-such-option' found/],
])('%s is refused with one line, and nothing is submitted', async (line, message) => {
  world.write('.command.run', script([line]));
  const { code, stderr } = await world.hq(SUBMIT);
  expect(code).toBeGreaterThan(0);
  expect(stderr).toMatch(message);
  expect(world.facade.changes).toEqual([]);
});

test('a submit that reached no server says the words after which Nextflow tries again', async () => {
  world.write('.command.run', script(['--name nf-x']));
  const { code, stderr } = await world.hq(['--server-dir', '/nowhere', ...SUBMIT]);
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^ERROR Socket timed out: no running server was found at \/nowhere/)]);
  const { stderr: other } = await world.hq(['--server-dir', '/nowhere', '--output-mode=quiet', 'submit', 'true']);
  expect(other).toMatch(/^ERROR no running server/);
});

test.each([
  ['done', true],
  ['not done', false],
])('a submit whose connection was cut, and that was %s, is done once', async (_what, done) => {
  world.write('.command.run', script(['--name nf-x']));
  world.facade.jobs.push(job(1));
  const createJob = world.facade.createJob.bind(world.facade);
  world.facade.createJob = async (request) => {
    world.facade.createJob = createJob;
    if (done) await createJob(request);
    await world.closeServer();
    await world.start();
    throw new Error('nobody hears this');
  };
  expect(await world.hq(SUBMIT)).toEqual({ code: 0, stdout: '2\n', stderr: '' });
  expect(world.facade.changes.map(([method]) => method)).toEqual(['createJob']);
  // A front whose connection was cut begins the command again, and says so.
  expect((await world.hq(SUBMIT, { env: { HQ_FRONT_CUT: '1' } })).stdout).toBe('2\n');
  const other = await world.hq(['submit', 'true'], { env: { HQ_FRONT_CUT: '1' } });
  expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('went away in mid-command')]);
});

describe('any path', () => {
  // As nextflow.util.Escape.path does: a backslash before each special character, and quotes around the whole.
  const written = (path: string): string => {
    const escaped = path.replace(/['" ()\\!&|<>`:]/g, '\\$&');
    return escaped === path ? path : `"${escaped}"`;
  };

  test('comes back from the line that Nextflow writes', () => {
    const path = fc.stringMatching(/^\/[^\n\r\t\0 ][^\n\r\0]*[^\s\0]$/);
    fc.assert(
      fc.property(path, (one) => {
        expect(nextflowWords(` --cwd ${written(one)}`)).toEqual([`--cwd=${one}`]);
      }),
    );
  });
});
