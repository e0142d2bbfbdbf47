/** Job files and scripts with options on a real server: what was written is what runs. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ended } from '../helpers/api.ts';
import { runningCluster } from '../helpers/running.ts';

const running = runningCluster(['--cpus', '4', '--resource', 'foo=1']);

const write = (name: string, text: string, mode = 0o644): void => writeFileSync(join(running.cluster.work, name), text, { mode });

/** Runs a command that submits and waits for the end of its job; the job's id. */
async function run(words: string[], o: { input?: string; env?: NodeJS.ProcessEnv } = {}): Promise<number> {
  const job = Number(await running.cluster.ok(['--output-mode', 'quiet', ...words], o));
  await ended(running.client, job);
  return job;
}

describe('hq job submit-file', () => {
  test('every field that a task can see, out of YAML', async () => {
    write(
      'job.yaml',
      `name: fields
task:
  - id: 5
    command: [sh, -c, 'cat; printf "%s;" "$A" "$HQ_RESOURCE_VARIANT" "$HQ_CPUS" "$HQ_PIN"; test -d "$HQ_TASK_DIR" && echo dir']
    env: {A: "x y"}
    cwd: "fields/%{TASK_ID}"
    stdout: {path: out, on_close: none}
    stderr: {path: gone, on_close: rm-if-finished}
    stdin: "typed "
    task_dir: true
    pin: omp
    request:
      - resources: {foo: 2, cpus: 1}
      - resources: {cpus: 2}
  - command: [sh, -c, 'echo "no such sample" > $HQ_ERROR_FILENAME; exit 3']
    stdout: none
    task_dir: true
    label: "align(b)"
    max_retries: 1
`,
    );
    const job = await run(['job', 'submit-file', 'job.yaml']);
    expect(running.cluster.read('fields/5/out')).toMatch(/^typed x y;1;\d,\d;omp;dir\n$/);
    expect(existsSync(join(running.cluster.work, 'fields/5/gone'))).toBe(false);
    expect(await running.client.taskDetail(job, 6)).toMatchObject({
      state: 'failed',
      error: 'no such sample\n',
      exitCode: 3,
      instance: 1,
      label: 'align(b)',
    });
  });

  test('an array with entries; a bad task aborts the rest of its job', async () => {
    write(
      'array.toml',
      'max_fails = 0\n[array]\nids = "7-8,1"\nentries = ["a b", "", "c"]\ncommand = ["sh", "-c", "echo \\"$HQ_ENTRY\\" > entry-$HQ_TASK_ID"]\n',
    );
    await run(['job', 'submit-file', 'array.toml']);
    expect([7, 8, 1].map((id) => running.cluster.read(`entry-${id}`))).toEqual(['a b\n', '\n', 'c\n']);
    write('fails.toml', 'max_fails = 0\n[[task]]\ncommand = ["false"]\n[[task]]\ncommand = ["true"]\ndeps = [1]\n');
    const { stats } = await running.client.jobDetail(await run(['job', 'submit-file', 'fails.toml']));
    expect(stats).toMatchObject({ failed: 1, aborted: 1 });
  });

  test('into an open job, with dependencies on tasks that it already has', async () => {
    const job = Number(await running.cluster.ok(['job', 'open']));
    write('first.toml', '[[task]]\nid = 3\ncommand = ["sh", "-c", "echo first >> open"]\n');
    write('second.toml', '[[task]]\ncommand = ["sh", "-c", "echo second >> open"]\ndeps = [3]\n');
    await running.cluster.ok(['job', 'submit-file', '--job', String(job), 'first.toml']);
    await running.cluster.ok(['job', 'submit-file', '--job', String(job), '--wait', 'second.toml']);
    expect(running.cluster.read('open')).toBe('first\nsecond\n');
    expect(await running.cluster.ok(['job', 'task-ids', String(job)])).toBe('3-4\n');
    const again = await running.cluster.hq(['job', 'submit-file', '--job', String(job), 'first.toml']);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining(`task 3 already exists in job ${job}`)]);
    await running.cluster.ok(['job', 'close', String(job)]);
  });

  test('a graph of 10,000 tasks comes in one request', async () => {
    const tasks = Array.from(
      { length: 10_000 },
      (_, id) => `[[task]]\nid = ${id}\ncommand = ["true", "${id}"]\ndeps = [${id === 0 ? '' : id - 1}]\n`,
    );
    write('large.toml', tasks.join(''));
    const job = Number(await running.cluster.ok(['--output-mode', 'quiet', 'job', 'submit-file', 'large.toml']));
    expect(await running.client.jobDetail(job)).toMatchObject({ taskCount: 10_000, taskIds: '0-9999' });
    await running.client.cancel(job);
    await ended(running.client, job);
  });

  test('what the server refuses leaves nothing behind', async () => {
    const jobs = (await running.client.listJobs()).length;
    write('cycle.toml', '[[task]]\nid = 1\ncommand = ["true"]\ndeps = [2]\n[[task]]\nid = 2\ncommand = ["true"]\ndeps = [1]\n');
    const cycle = await running.cluster.hq(['job', 'submit-file', 'cycle.toml']);
    expect([cycle.code, cycle.stderr]).toEqual([1, 'ERROR task 1: it is part of a dependency cycle\n']);
    write('strict.toml', '[[task]]\ncommand = ["true"]\n[[task.request]]\nresources = { foo = 2 }\n');
    const strict = await running.cluster.hq(['job', 'submit-file', '--strict', 'strict.toml']);
    expect([strict.code, strict.stderr]).toEqual([1, expect.stringContaining("no worker has 2 of 'foo'; the largest has 1")]);
    expect(await running.client.listJobs()).toHaveLength(jobs);
  });
});

describe('hq submit of scripts and files', () => {
  test('a script is run by its interpreter with its own options, without being executable', async () => {
    write(
      'run.sh',
      '#!/usr/bin/env bash\n#HQ --name scripted --cpus 2 --array 1-2 --stdout s-%{TASK_ID}\n[[ -n $HQ_CPUS ]] && echo "$1 $HQ_CPUS"\n',
    );
    const job = await run(['submit', 'run.sh', 'arg']);
    expect((await running.client.jobDetail(job)).name).toBe('scripted');
    for (const task of [1, 2]) expect(running.cluster.read(`s-${task}`)).toMatch(/^arg \d,\d\n$/);
  });

  test('as a workflow system does it: bare id, and an impossible request is refused', async () => {
    write('.command.run', '#!/bin/bash\n#HQ --name nf-1\n#HQ --cpus 1\n#HQ --time-limit 60sec\necho ok > nf\n');
    await run(['submit', '--directives=file', '.command.run']);
    expect(running.cluster.read('nf')).toBe('ok\n');
    write('.command.run', '#!/bin/bash\n#HQ --cpus 400\ntrue\n');
    const refused = await running.cluster.hq(['--output-mode=quiet', 'submit', '--directives=file', '.command.run']);
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toContain('no worker has 400');
  });

  test('directives of standard input, which every task gets as well', async () => {
    const job = await run(['submit', '--stdin', '--directives=stdin', '--stdout', 'in.txt', 'cat'], { input: '#HQ --name typed\nhello\n' });
    expect((await running.client.jobDetail(job)).name).toBe('typed');
    expect(running.cluster.read('in.txt')).toBe('#HQ --name typed\nhello\n');
  });

  test('entries of lines and of JSON, all or some', async () => {
    write('lines', 'a b\n"c"\n\n');
    const script = ['sh', '-c', 'printf %s "$HQ_ENTRY" > e-$HQ_TASK_ID'];
    await run(['submit', '--each-line', 'lines', '--', ...script]);
    expect([0, 1, 2].map((id) => running.cluster.read(`e-${id}`))).toEqual(['a b', '"c"', '']);
    write('items.json', '[{"x": 1.50}, "s", [1, 2]]');
    await run(['submit', '--from-json', 'items.json', '--array', '2,0', '--', ...script]);
    expect([0, 1, 2].map((id) => running.cluster.read(`e-${id}`))).toEqual(['{"x":1.5}', '"c"', '[1,2]']);
  });

  test('a task directory for each of many short tasks, none left', async () => {
    const job = await run([
      'submit',
      '--task-dir',
      '--array',
      '1-60',
      '--',
      'sh',
      '-c',
      'echo x > "$HQ_TASK_DIR/f"; echo "$HQ_TASK_DIR" >> dirs',
    ]);
    expect((await running.client.jobDetail(job)).stats.finished).toBe(60);
    const dirs = running.cluster.read('dirs').trim().split('\n');
    expect(new Set(dirs).size).toBe(60);
    expect(dirs.filter((dir) => existsSync(dir))).toEqual([]);
    expect(await running.cluster.ok(['task', 'info', String(job), '1'])).toMatch(/Task dir +\| Yes/);
  });

  test('--inherit-env gives the variables of the shell, shown nowhere', async () => {
    const job = await run(['submit', '--inherit-env', '--stdout', 'env.txt', '--', 'sh', '-c', 'echo "$OF_SHELL"'], {
      env: { OF_SHELL: 'secret-7' },
    });
    expect(running.cluster.read('env.txt')).toBe('secret-7\n');
    for (const words of [
      ['task', 'info', String(job), '0'],
      ['--output-mode', 'json', 'job', 'info', String(job)],
    ])
      expect(await running.cluster.ok(words)).not.toContain('secret-7');
  });

  test('--dry-run tells which workers fit and makes no job', async () => {
    const before = [(await running.client.listJobs()).length, readdirSync(running.cluster.work).length];
    const fits = await running.cluster.hq(['submit', '--dry-run', '--cpus', '4', '--', 'true']);
    expect(fits).toMatchObject({ code: 0, stderr: 'Nothing was submitted.\n' });
    expect(fits.stdout).toMatch(/0 +\| cpus=4 compact \| 1 +\| could start it/);
    const tooLarge = await running.cluster.hq(['submit', '--dry-run', '--cpus', '5', '--', 'true']);
    expect(tooLarge.stdout).toContain("has 4 of 'cpus' in total, 5 needed");
    expect(tooLarge.stderr).toContain("WARN no worker has 5 of 'cpus'; the largest has 4");
    expect((await running.cluster.hq(['submit', '--dry-run', '--strict', '--cpus', '5', '--', 'true'])).code).toBe(1);
    expect([(await running.client.listJobs()).length, readdirSync(running.cluster.work).length]).toEqual(before);
  });
});
