/** What a wrongly typed command gets: one line in the form that scripts know, exit code 2, and nothing is sent. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CliWorld } from '../../helpers/cli.ts';

let world: CliWorld;
beforeAll(async () => {
  world = new CliWorld();
  await world.start();
});
afterAll(() => world.stop());
afterEach(() => expect(world.facade.changes).toEqual([]));

describe('usage errors', () => {
  test('an unknown option, with the one that was probably meant', async () => {
    const { code, stdout, stderr } = await world.hq(['job', 'list', '--verbos']);
    expect(stderr).toMatchInlineSnapshot(`
      "error: unexpected argument '--verbos' found

        tip: did you mean '--verbose'?

      Usage: hq job list [options]

      For more information, try '--help'.
      "
    `);
    expect([code, stdout]).toEqual([2, '']);
  });

  test('an unknown command, with the one that was probably meant', async () => {
    const { code, stderr } = await world.hq(['sumbit', 'true']);
    expect(stderr).toMatchInlineSnapshot(`
      "error: unrecognized subcommand 'sumbit'

        tip: did you mean 'submit'?

      Usage: hq [options] [command]

      For more information, try '--help'.
      "
    `);
    expect(code).toBe(2);
  });

  test('a missing argument', async () => {
    const { code, stderr } = await world.hq(['submit', '--cpus', '2']);
    expect(stderr).toMatchInlineSnapshot(`
      "error: the following required arguments were not provided:
        <COMMAND>

      Usage: hq submit [options] <command...>

      For more information, try '--help'.
      "
    `);
    expect(code).toBe(2);
  });

  test('a bad value', async () => {
    const { code, stderr } = await world.hq(['submit', '--time-limit', 'soon', 'true']);
    expect(stderr).toMatchInlineSnapshot(`
      "error: invalid value 'soon' for '--time-limit <DURATION>': a duration like 90, 10min, '1h 30m' or 01:30:00 is expected

      Usage: hq submit [options] <command...>

      For more information, try '--help'.
      "
    `);
    expect(code).toBe(2);
  });

  test('an option given twice', async () => {
    const { code, stderr } = await world.hq(['submit', '--cpus', '2', '--cpus=3', 'true']);
    expect(stderr).toMatchInlineSnapshot(`
      "error: the argument '--cpus <AMOUNT>' cannot be used multiple times

      Usage: hq submit [options] <command...>

      For more information, try '--help'.
      "
    `);
    expect(code).toBe(2);
  });

  test('options that exclude each other', async () => {
    const { code, stderr } = await world.hq(['job', 'list', '--all', '--filter', 'running']);
    expect(stderr).toMatchInlineSnapshot(`
      "error: the argument '--all' cannot be used with '--filter <STATES>'

      Usage: hq job list [options]

      For more information, try '--help'.
      "
    `);
    expect(code).toBe(2);
  });

  test('too many arguments', async () => {
    const { code, stderr } = await world.hq(['job', 'info', '1', '2']);
    expect(stderr).toMatchInlineSnapshot(`
      "error: unexpected argument '2' found

      Usage: hq job info [options] <selector>

      For more information, try '--help'.
      "
    `);
    expect(code).toBe(2);
  });

  test('a bad selector', async () => {
    const { code, stderr } = await world.hq(['job', 'info', 'x-y']);
    expect(stderr).toMatchInlineSnapshot(`
      "error: invalid value 'x-y': expected \`last\`, \`all\` or ids like 1-3,7 ('x-y' is not a number or range)

      For more information, try '--help'.
      "
    `);
    expect(code).toBe(2);
  });

  test.each<[string, string[], RegExp]>([
    ['array without an end', ['submit', '--array', '1-', 'true'], /'1-'/],
    ['array backwards', ['submit', '--array', '9-1', 'true'], /'9-1'/],
    ['array with a value twice', ['submit', '--array', '1-5,3', 'true'], /value 3 is given twice/],
    ['negative cpus', ['submit', '--cpus', '-1', 'true'], /'cpus=-1'/],
    ['zero cpus', ['submit', '--cpus', '0', 'true'], /above zero/],
    ['five decimals', ['submit', '--cpus', '0.12345', 'true'], /0\.12345/],
    ['resource without an amount', ['submit', '--resource', 'gpus', 'true'], /'gpus': NAME=AMOUNT/],
    ['priority that is no number', ['submit', '--priority', 'high', 'true'], /'high' for '--priority/],
    ['priority out of bounds', ['submit', '--priority', '3000000000', 'true'], /3000000000/],
    ['crash limit of zero', ['submit', '--crash-limit', '0', 'true'], /'0' for '--crash-limit/],
    ['retries below zero', ['submit', '--max-retries', '-1', 'true'], /'-1'/],
    ['a delay of retries that is none', ['submit', '--max-retries', '1', '--retry-delay', '0s', 'true'], /above zero/],
    ['a delay without retries', ['submit', '--retry-delay', '5s', 'true'], /'--retry-delay' needs '--max-retries'/],
    ['codes without retries', ['submit', '--max-retries', '0', '--retry-on', '1', 'true'], /'--retry-on' needs '--max-retries'/],
    [
      'an exit code of success',
      ['submit', '--max-retries', '1', '--retry-on', '1,0', 'true'],
      /'0' for '--retry-on': exit codes from 1 to 255/,
    ],
    ['a reason that is none', ['submit', '--max-retries', '1', '--retry-on', 'oom', 'true'], /'oom' for '--retry-on'.*memory-limit/],
    ['a factor below one', ['submit', '--max-retries', '1', '--retry-mem-factor', '0.5', 'true'], /'0\.5'.*from 1 to 100/],
    ['a factor without memory', ['submit', '--max-retries', '1', '--retry-mem-factor', '2', 'true'], /needs a request of 'mem'/],
    ['nodes with cpus', ['submit', '--nodes', '2', '--cpus', '4', 'true'], /'--nodes' cannot be used with '--cpus'/],
    ['nodes with a resource', ['submit', '--nodes', '2', '--resource', 'gpus=1', 'true'], /'--nodes' cannot be used with '--resource'/],
    ['nodes with a variant', ['submit', '--nodes', '2', '--variant', 'gpus=1', 'true'], /'--nodes' cannot be used with '--variant'/],
    ['nodes and a pin', ['submit', '--nodes', '2', '--pin', 'omp', 'true'], /'--nodes' cannot be used with '--pin'/],
    ['nodes that are no number', ['submit', '--nodes', 'two', 'true'], /'two' for '--nodes/],
    ['environment without a name', ['submit', '--env', '=x', 'true'], /'=x' for '--env/],
    ['stdout with an unknown mode', ['submit', '--stdout', 'x:rm', 'true'], /'x:rm' for '--stdout/],
    ['cwd inside itself', ['submit', '--cwd', '%{CWD}/x', 'true'], /%\{CWD\}/],
    ['job name with a line break', ['submit', '--name', 'a\nb', 'true'], /name/],
    ['wait and progress', ['submit', '--wait', '--progress', 'true'], /--wait.*--progress|--progress.*--wait/],
    ['job id that is none', ['submit', '--job', 'x', 'true'], /'x' for '--job/],
    ['submit-task to a job that is none', ['job', 'submit-task', 'x', 'true'], /'x'/],
    ['worker count that is none', ['worker', 'wait', 'many'], /'many'/],
    ['worker id that is none', ['worker', 'address', 'all'], /'all'/],
    ['worker filter', ['worker', 'list', '--filter', 'busy'], /busy/],
    ['job filter', ['job', 'list', '--filter', 'done'], /done/],
    ['task filter', ['task', 'list', '1', '--task-status', 'done'], /done/],
    ['task ids', ['task', 'info', '1', 'x'], /'x'/],
    ['all where it is not allowed', ['job', 'cat', 'all', 'stdout'], /'all'/],
    ['channel that is none', ['job', 'cat', '1', 'stdlog'], /stdlog/],
    ['reason that is too long', ['job', 'cancel', '1', '--reason', 'x'.repeat(201)], /200/],
    ['cpus of a worker', ['worker', 'start', '--cpus', '[1,1]'], /\[1,1\]/],
    ['resource of a worker', ['worker', 'start', '--resource', 'x'], /'x'/],
    ['worker resource twice', ['worker', 'start', '--resource', 'a=1', '--resource', 'a=2'], /'a': the resource is described twice/],
    [
      'coupling of what has no groups',
      ['worker', 'start', '--cpus', '2x2', '--resource', 'a=[x,y]', '--coupling', 'cpus[0]:a[0]'],
      /'a' has no groups/,
    ],
    ['group with an index twice', ['worker', 'start', '--cpus', '[[0,1],[1,2]]'], /'cpus=\[\[0,1\],\[1,2\]\]': index '1' is given twice/],
    [
      'group that is not there',
      ['worker', 'start', '--cpus=2x2', '--resource', 'a=[[x],[y]]', '--coupling', 'cpus[2]:a[0]'],
      /'cpus' has groups 0 to 1/,
    ],
    [
      'related groups of another number',
      ['worker', 'start', '--cpus', '4', '--resource', 'gpus=related[[0],[1]]'],
      /has 2 groups, the CPUs have 1/,
    ],
    ['five decimals of a worker', ['worker', 'start', '--resource', 'a=1.23456'], /'1.23456' has more than 4 decimals/],
    ['no CPUs at all', ['worker', 'start', '--detect-resources', 'mem'], /a worker needs CPUs/],
    ['nothing detected, nothing given', ['worker', 'start', '--no-detect-resources'], /a worker needs CPUs/],
    ['sum of CPUs', ['worker', 'start', '--cpus', 'sum(4)'], /sum\(\.\.\.\) cannot be used/],
    ['coupling of nothing', ['worker', 'start', '--coupling', 'cpus'], /'cpus' is not like/],
    ['coupling that is too heavy', ['worker', 'start', '--coupling', 'cpus[0]:gpus[0]=65536'], /65536 is larger than 65535/],
    [
      'something to detect that is not known',
      ['worker', 'start', '--detect-resources', 'cpus,fpgas'],
      /'fpgas' is not all, none or one of cpus/,
    ],
    ['utilization above one', ['worker', 'start', '--min-utilization', '1.5'], /'1.5' for '--min-utilization.*from 0 to 1/],
    ['batch system', ['worker', 'start', '--manager', 'lsf'], /lsf/],
    ['resource of zero', ['submit', '--resource', 'gpus=0', 'true'], /'gpus=0': the amount must be above zero/],
    ['resource below zero', ['submit', '--resource', 'gpus=-1', 'true'], /'gpus=-1'/],
    ['resource with five decimals', ['submit', '--resource', 'gpus=0.12345', 'true'], /'0.12345' has more than 4 decimals/],
    ['resource without a name', ['submit', '--resource', '=1', 'true'], /NAME=AMOUNT/],
    ['unknown policy', ['submit', '--cpus', '4 loose', 'true'], /'loose' is no policy/],
    ['weight of zero', ['submit', '--weight', '0', 'true'], /'0' for '--weight/],
    ['more weights than variants', ['submit', '--weight', '1', '--weight', '2', 'true'], /given 2 times for 1 resource variants/],
    ['unknown pin', ['submit', '--pin', 'hard', 'true'], /hard/],
    ['port', ['server', 'start', '--client-port', '70000'], /70000/],
    ['timeout of zero', ['server', 'wait', '--timeout', '0'], /above zero/],
    ['output mode', ['--output-mode', 'xml', 'job', 'list'], /xml/],
    ['colors', ['--colors', 'pink', 'job', 'list'], /pink/],
    ['value that is missing', ['submit', '--cpus'], /--cpus/],
    ['log that nobody can read', ['output-log', 'logs', 'weigh'], /weigh/],
  ])('%s', async (_name, args, text) => {
    const { code, stdout, stderr } = await world.hq(args);
    expect(stderr).toMatch(text);
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toContain("For more information, try '--help'.");
    expect(stderr).not.toMatch(/\n\s+at /);
    expect([code, stdout]).toEqual([2, '']);
  });

  test('without a command: what there is, and exit code 2', async () => {
    for (const args of [[], ['job'], ['worker']]) {
      const { code, stdout, stderr } = await world.hq(args);
      expect(stdout + stderr).toContain('Usage: hq');
      expect(code).toBe(2);
    }
  });
});

describe('global options', () => {
  test.each([
    [['--output-mode', 'quiet', 'job', 'summary']],
    [['job', '--output-mode', 'quiet', 'summary']],
    [['job', 'summary', '--output-mode=quiet']],
  ])('are accepted at any depth: %j', async (args) => {
    expect((await world.ok(args)).split('\n')[0]).toBe('RUNNING 0');
  });

  test('the environment chooses the mode, the flag wins', async () => {
    const env = { HQ_OUTPUT_MODE: 'json' };
    expect(JSON.parse(await world.ok(['job', 'list'], { env }))).toEqual([]);
    expect(await world.ok(['--output-mode', 'quiet', 'job', 'list'], { env })).toBe('');
    const bad = await world.hq(['job', 'list'], { env: { HQ_OUTPUT_MODE: 'xml' } });
    expect(bad.stderr).toMatch(/^error: invalid value 'xml'/);
    expect(bad.code).toBe(2);
  });

  test('--server-dir wins over the environment', async () => {
    const env = { HQ_SERVER_DIR: '/nonexistent' };
    expect((await world.hq(['job', 'list'], { env })).code).toBe(1);
    expect(await world.ok(['job', 'list', '--server-dir', world.serverDir, '--output-mode', 'quiet'], { env })).toBe('');
  });

  test('the version line is that of the original', async () => {
    expect(await world.ok(['--version'])).toMatch(/^hyperqueue \d+\.\d+\.\d+\n$/);
    expect(await world.ok(['-V'])).toMatch(/^hyperqueue /);
  });

  test('help goes to stdout and is no error', async () => {
    const help = await world.ok(['job', 'cancel', '--help']);
    expect(help).toContain('Usage: hq job cancel [options] <selector>');
    expect(help).toContain('--reason');
    expect(await world.ok(['submit', '-h'])).toContain('--array <IDS>');
  });
});

describe('no server', () => {
  test('a missing directory is named, with what to do', async () => {
    const { code, stdout, stderr } = await world.hq(['job', 'list'], { env: { HQ_SERVER_DIR: '/nonexistent/hq' } });
    expect(stderr).toMatch(/ERROR .*\/nonexistent\/hq/);
    expect(stderr).toContain('hq server start');
    expect([code, stdout]).toEqual([1, '']);
  });

  test('JSON mode has the error on stdout', async () => {
    const { code, stdout } = await world.hq(['--output-mode', 'json', 'job', 'list'], { env: { HQ_SERVER_DIR: '/nonexistent/hq' } });
    expect(JSON.parse(stdout)).toMatchObject({ error: expect.stringContaining('/nonexistent/hq') });
    expect(code).toBe(1);
  });
});

test('commands leave no connection behind', async () => {
  await world.ok(['job', 'list']);
  await expect.poll(() => world.connections).toBe(0);
});
