/** Defaults out of configuration files: which one counts, what is refused, and that it can be seen. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CliWorld } from '../../helpers/cli.ts';
import { job } from '../../helpers/cliFacade.ts';

let world: CliWorld;
beforeEach(async () => {
  world = new CliWorld();
  await world.start();
});
afterEach(() => world.stop());

const userFile = (): string => join(dirname(world.work), '.config/hq-bridge/config.yaml');
const projectFile = (): string => join(world.work, '.hq-bridge.yaml');

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
const user = (text: string): void => write(userFile(), text);
const project = (text: string): void => write(projectFile(), text);

interface Sent {
  readonly name?: string;
  readonly maxFails?: number;
  readonly submit?: { readonly stream?: string; readonly tasks: { readonly spec: Record<string, unknown> } };
  readonly stream?: string;
  readonly tasks?: { readonly spec: Record<string, unknown> };
}
/** What the last change has asked for. */
const sent = (): Sent => world.facade.changes.at(-1)?.at(-1) as Sent;
/** Its resources, and nodes where they are asked for. */
function request(): unknown {
  const variants = (sent().submit ?? sent()).tasks?.spec['request'] as { resources: object; nodes: number }[];
  return variants.map(({ resources, nodes }) => (nodes > 0 ? { resources, nodes } : { resources }));
}

describe('a default', () => {
  test('counts for its command, however that is spelled, and gives way to what is typed', async () => {
    user('defaults:\n  submit:\n    cpus: 4\n    resource: [gpus=1, mem=1GiB]\n    max-retries: 2\n    task-dir: true\n');
    await world.ok(['submit', 'true']);
    expect(sent().submit?.tasks.spec).toMatchObject({ maxRetries: 2, taskDir: true });
    expect(request()).toEqual([{ resources: { cpus: '4', gpus: '1', mem: '1GiB' } }]);
    await world.ok(['job', 'submit', '--cpus', '1', '--max-retries=0', 'true']);
    expect(sent().submit?.tasks.spec).toMatchObject({ maxRetries: 0, taskDir: true });
    expect(request()).toEqual([{ resources: { cpus: '1', gpus: '1', mem: '1GiB' } }]);
    await world.ok(['submit', '--nodes', '2', 'true']);
    expect(request()).toEqual([{ resources: {}, nodes: 2 }]);
  });

  test('of the project wins over the user’s, a profile over both, a line of the script too', async () => {
    user('defaults: {submit: {priority: 1, time-limit: 1h, stream: logs}}\nprofiles: {fast: {defaults: {submit: {priority: 9}}}}\n');
    project('defaults: {submit: {priority: 2, time-limit: 5min}}\n');
    await world.ok(['submit', 'true']);
    expect(sent().submit).toMatchObject({ stream: 'logs', tasks: { spec: { priority: 2, timeLimitMs: 300_000 } } });
    await world.ok(['submit', '--profile', 'fast', 'true']);
    expect(sent().submit?.tasks.spec).toMatchObject({ priority: 9, timeLimitMs: 300_000 });
    await world.ok(['submit', 'true'], { env: { HQ_PROFILE: 'fast' } });
    expect(sent().submit?.tasks.spec).toMatchObject({ priority: 9 });
    world.write('run.sh', '#!/bin/sh\n#HQ --priority 7 --cpus 3\n');
    await world.ok(['submit', 'run.sh']);
    expect(sent().submit?.tasks.spec).toMatchObject({ priority: 7, timeLimitMs: 300_000 });
    await world.ok(['submit', '--profile', 'x', '--', 'true'], { env: { HQ_CONFIG: 'off' } });
    expect(sent().submit?.tasks.spec).toMatchObject({ priority: 0 });
  });

  test('that cannot stand beside what was typed, or does not fit to the job, is left out', async () => {
    world.write('lines', 'a\nb\n');
    world.facade.jobs = [job(3, { isOpen: true })];
    project('defaults: {submit: {from-json: none.json, name: x, max-fails: 3}}\n');
    await world.ok(['submit', '--each-line', 'lines', 'true']);
    expect(sent()).toMatchObject({ name: 'x', maxFails: 3 });
    await world.ok(['job', 'submit-task', '3', '--array', '1', '--each-line', 'lines', '--', 'true']);
    expect(sent().tasks?.spec).toMatchObject({ command: ['true'] });
  });

  test('can be a mandatory option; without one it is still missed', async () => {
    project('defaults: {alloc add: {time-limit: 4h, backlog: 3}}\n');
    await world.ok(['alloc', 'add', '--no-dry-run', 'slurm']);
    expect((sent() as { params?: object }).params).toMatchObject({ timeLimitMs: 14_400_000, backlog: 3 });
    project('defaults: {alloc add: {backlog: 3}}\n');
    const { code, stderr } = await world.hq(['alloc', 'add', 'slurm']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('--time-limit <DURATION>')]);
  });

  test('of every command: mode and server directory, where no variable says otherwise', async () => {
    user('output-mode: quiet\nserver-dir: ~/server\n');
    expect(await world.ok(['job', 'open'], { env: { HQ_SERVER_DIR: '' } })).toBe('1\n');
    const { code } = await world.hq(['job', 'list'], { env: { HQ_SERVER_DIR: '/nonexistent' } });
    expect(code).toBe(1);
    expect(JSON.parse(await world.ok(['job', 'open'], { env: { HQ_OUTPUT_MODE: 'json' } }))).toEqual({ id: 2 });
  });

  test('compat brings the behaviour of the original', async () => {
    project('compat: hyperqueue\n');
    expect(await world.ok(['job', 'open'])).toBe('Job 1 is open.\n');
  });
});

describe('what counts is shown', () => {
  const text =
    'profile: gpu\ndefaults:\n  submit:\n    cpus: 4\nprofiles:\n  gpu:\n    defaults:\n      submit:\n        resource: [gpus=1]\n';

  test('by hq config show, with file, line and profile', async () => {
    user(text);
    project('colors: never\n');
    expect(await world.json('config', 'show')).toEqual({
      files: [userFile(), projectFile()],
      settings: [
        { command: 'submit', option: '--cpus', text: '4', origin: `${userFile()}:4` },
        { command: '', option: '--colors', text: 'never', origin: `${projectFile()}:1` },
        { command: 'submit', option: '--resource', text: 'gpus=1', origin: `${userFile()}:9 (profile gpu)` },
      ],
    });
    expect(await world.ok(['config', 'show'])).toMatch(/\| submit +\| --cpus +\| 4 +\| .*config\.yaml:4/);
    expect(await world.quiet('config', 'show')).toBe('submit --cpus 4\n--colors never\nsubmit --resource gpus=1\n');
  });

  test('in help texts', async () => {
    user(text);
    const helpOf = async (...args: string[]): Promise<string> => (await world.ok(args)).replace(/\s+/g, ' ');
    expect(await helpOf('submit', '--help')).toContain(`[4 in ${userFile()}:4]`);
    user('defaults: {submit: {cpus: 4}}\nprofiles: {big: {defaults: {submit: {cpus: 8}}}}\n');
    expect(await helpOf('--profile', 'big', 'submit', '--help')).toContain(`[8 in ${userFile()}:2 (profile big)]`);
    expect(await helpOf('submit', '--help', '--profile=big')).toContain(`[8 in ${userFile()}:2 (profile big)]`);
    expect(await helpOf('submit', '--help', '--', '--profile=big')).toContain(`[4 in ${userFile()}:1]`);
  });

  test('and that there is none', async () => {
    expect(await world.ok(['config', 'show'])).toBe('There is no configuration file\n');
    expect((await world.hq(['config', 'check'])).code).toBe(0);
  });
});

describe('refused in one line that names file, line and field:', () => {
  test.each([
    ['what is no YAML', 'defaults: [', /config\.yaml:\d: /],
    ['an unknown field', 'colours: never', /config\.yaml.*unknown field 'colours'/],
    ['a value of another kind', 'output-mode: xml', /config\.yaml:1: output-mode: .*quiet/],
    ['an option that the command lacks', '\ndefaults:\n  submit:\n    cpu: 4', /config\.yaml:4: there is no option '--cpu'/],
    [
      'a value that the option does not take',
      'defaults: {submit: {cpus: 0, priority: high}}',
      /config\.yaml:1: invalid value 'high' for '--priority <N>'/,
    ],
    ['a profile that is not there', 'profile: night\nprofiles: {day: {}}', /there is no profile 'night', but day/],
  ])('%s', async (_what, text, line) => {
    user(text);
    for (const args of [
      ['submit', 'true'],
      ['config', 'show'],
      ['config', 'check'],
    ]) {
      const { code, stderr } = await world.hq(args);
      expect([code, stderr], args.join(' ')).toEqual([1, expect.stringMatching(line)]);
      expect(stderr.trim().split('\n')).toHaveLength(1);
    }
    expect(world.facade.changes).toEqual([]);
    expect((await world.hq(['submit', 'true'], { env: { HQ_CONFIG: 'off' } })).code).toBe(0);
  });

  test.each([
    ['a command that does not exist', 'defaults: {sumbit: {cpus: 1}}', /there is no command 'hq sumbit'/],
    ['another spelling', 'defaults: {job submit: {cpus: 1}}', /has the options of 'submit'/],
    ['a profile that is not in use', 'profiles: {x: {defaults: {submit: {cpu: 1}}}}', /there is no option '--cpu'/],
  ])('by check: %s', async (_what, text, line) => {
    user(text);
    const { code, stderr } = await world.hq(['config', 'check']);
    expect([code, stderr]).toEqual([1, expect.stringMatching(line)]);
  });

  test('a file that others may write, because it could name programs', async () => {
    project('defaults: {submit: {cpus: 2}}\n');
    chmodSync(projectFile(), 0o666);
    const { code, stderr } = await world.hq(['submit', 'true']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('others may write it; chmod go-w')]);
  });
});
