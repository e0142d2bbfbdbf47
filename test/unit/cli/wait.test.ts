/** Waiting for jobs and workers: on events, never by asking again and again. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CliWorld } from '../../helpers/cli.ts';
import { job, worker } from '../../helpers/cliFacade.ts';

let world: CliWorld;
beforeEach(async () => {
  world = new CliWorld();
  await world.start();
});
afterEach(async () => {
  await expect.poll(() => world.connections).toBe(0);
  await world.stop();
});

const RUNNING = { running: 2, finished: 0, failed: 0, canceled: 0, aborted: 0, waiting: 1 };
const open = (id: number, given: object = {}) => job(id, { stats: RUNNING, ...given });

/** Runs `then` once, as soon as a command reads events. */
function onceListening(then: () => void): void {
  world.facade.onEvents = () => {
    world.facade.onEvents = () => {};
    then();
  };
}

describe('job wait', () => {
  test('ends when the last job has ended, with exit code 0 even after failures', async () => {
    world.facade.jobs = [open(1), open(2), job(3, { stats: { ...RUNNING, running: 0, waiting: 0, finished: 1 } })];
    onceListening(() => {
      world.facade.complete(1, { finished: 3 });
      world.facade.complete(2, { finished: 1, failed: 2 });
    });
    expect(await world.hq(['job', 'wait', 'all'])).toEqual({ code: 0, stdout: '', stderr: 'Wait finished: 2 FINISHED, 1 FAILED\n' });
  });

  test('says nothing in quiet mode and an empty object in JSON mode', async () => {
    for (const [mode, stdout] of [
      ['quiet', ''],
      ['json', '{}\n'],
    ] as const) {
      world.facade.jobs = [open(1)];
      onceListening(() => world.facade.complete(1, { finished: 3 }));
      expect(await world.hq(['--output-mode', mode, 'job', 'wait', '1'])).toEqual({ code: 0, stdout, stderr: '' });
    }
  });

  test('jobs that have ended need no events', async () => {
    world.facade.jobs = [job(1)];
    world.facade.onEvents = () => {
      throw new Error('events were read');
    };
    expect((await world.hq(['job', 'wait', '1'])).code).toBe(0);
  });

  test.each([
    [{ finished: 3 }, 0],
    [{ finished: 2, failed: 1 }, 1],
    [{ finished: 2, aborted: 1 }, 1],
    [{ finished: 2, canceled: 1 }, 1],
  ])('--fail-on-error after %j: exit code %i', async (stats, code) => {
    world.facade.jobs = [open(1), job(2, { stats: { ...RUNNING, running: 0, waiting: 0, finished: 1 } })];
    onceListening(() => world.facade.complete(1, stats));
    expect((await world.hq(['job', 'wait', '--fail-on-error', 'all'])).code).toBe(code);
  });

  test('an open job is waited for until it is closed, or only until it is idle', async () => {
    world.facade.jobs = [open(1, { isOpen: true })];
    onceListening(() => {
      world.facade.jobs = [job(1, { isOpen: true, stats: { ...RUNNING, running: 0, waiting: 0, finished: 3 } })];
      world.facade.publish({ type: 'job-idle', jobId: 1 });
    });
    expect((await world.hq(['job', 'wait', '1', '--without-close'])).code).toBe(0);
    onceListening(() => world.facade.complete(1, { finished: 3 }));
    expect(await world.hq(['job', 'wait', '1'])).toMatchObject({ code: 0, stderr: 'Wait finished: 1 FINISHED\n' });
  });

  test('an unknown job is told, the others are waited for', async () => {
    world.facade.jobs = [open(1)];
    onceListening(() => world.facade.complete(1, { finished: 3 }));
    const { code, stderr } = await world.hq(['job', 'wait', '1,7']);
    expect(stderr).toBe('ERROR job 7 not found. List the jobs with: hq job list --all\nWait finished: 1 FINISHED\n');
    expect(code).toBe(1);
  });

  test('a job that is forgotten meanwhile is no reason to wait on', async () => {
    world.facade.jobs = [open(1)];
    onceListening(() => {
      world.facade.jobs = [];
      world.facade.publish({ type: 'job-forgotten', jobId: 1 });
    });
    expect((await world.hq(['job', 'wait', '1'])).code).toBe(0);
  });

  test('more jobs than an address can name', async () => {
    world.facade.jobs = Array.from({ length: 1200 }, (_, i) => open(2 * i + 1));
    onceListening(() => {
      for (const { id } of [...world.facade.jobs]) world.facade.complete(id, { finished: 1 });
    });
    expect(await world.hq(['job', 'wait', 'all'])).toMatchObject({ code: 0, stderr: 'Wait finished: 1200 FINISHED\n' });
  });

  test('goes on over a restart of the server', async () => {
    world.facade.jobs = [open(1)];
    onceListening(() => {
      void world.closeServer().then(async () => {
        world.facade.lostListings = 1;
        world.facade.complete(1, { finished: 3 });
        await world.start();
      });
    });
    const { code, stderr } = await world.hq(['job', 'wait', '1']);
    expect(stderr).toMatch(/^WARN the server went away in mid-command: .*; waiting for it to return\nWait finished: 1 FINISHED\n$/);
    expect(code).toBe(0);
  });

  test('Ctrl-C ends the wait, not the job', async () => {
    world.facade.jobs = [open(1), open(2)];
    const interrupt = new AbortController();
    onceListening(() => interrupt.abort('SIGINT'));
    const { code, stderr } = await world.hq(['job', 'wait', '1-2'], { signal: interrupt.signal });
    expect([code, stderr]).toEqual([130, 'Interrupted: the jobs go on. Cancel them with: hq job cancel 1-2\n']);
    expect(world.facade.changes).toEqual([]);
  });
});

describe('submit --wait', () => {
  test('prints the id first and waits', async () => {
    onceListening(() => world.facade.complete(1, { failed: 1 }));
    expect(await world.hq(['--output-mode', 'quiet', 'submit', '--wait', 'false'])).toEqual({ code: 0, stdout: '1\n', stderr: '' });
  });

  test('a job that was faster than the event stream', async () => {
    world.facade.onChange = () => world.facade.complete(1, { finished: 1 });
    expect((await world.hq(['submit', '--wait', 'true'])).code).toBe(0);
  });

  test('Ctrl-C says how to cancel', async () => {
    const interrupt = new AbortController();
    onceListening(() => interrupt.abort('SIGINT'));
    const { code, stderr } = await world.hq(['submit', '--wait', 'sleep', '9'], { signal: interrupt.signal });
    expect([code, stderr]).toEqual([130, 'Interrupted: the jobs go on. Cancel them with: hq job cancel 1\n']);
  });
});

describe('progress', () => {
  test('is one line per change off a terminal', async () => {
    world.facade.jobs = [open(1)];
    onceListening(() => world.facade.publish({ type: 'task-finished', jobId: 1, taskId: 1, instance: 0, usage: null }));
    const onStderr = (text: string): void => {
      if (text.endsWith('0/3 tasks 2 RUNNING\n')) world.facade.complete(1, { finished: 2, failed: 1 });
    };
    const { code, stdout, stderr } = await world.hq(['job', 'progress', '1'], { onStderr });
    expect(stderr).toMatchInlineSnapshot(`
      "0/1 jobs, 0/3 tasks 2 RUNNING
      1/1 jobs, 3/3 tasks 2 FINISHED 1 FAILED
      "
    `);
    expect([code, stdout]).toEqual([0, '']);
  });

  test('is a bar on a terminal', async () => {
    onceListening(() => world.facade.complete(1, { finished: 3 }));
    const { code, stderr } = await world.hq(['submit', '--progress', 'true'], { stderrIsTty: true });
    expect(stderr).toContain('[########################################] 1/1 jobs, 3/3 tasks 3 FINISHED');
    expect(code).toBe(0);
  });

  test('of ended jobs is shown once', async () => {
    world.facade.jobs = [job(1, { stats: { ...RUNNING, running: 0, waiting: 0, finished: 4 } })];
    expect((await world.hq(['job', 'progress', 'last'])).stderr).toBe('1/1 jobs, 4/4 tasks 4 FINISHED\n');
  });
});

describe('worker wait', () => {
  test('ends when there are enough', async () => {
    world.facade.workers = [worker(1)];
    expect((await world.hq(['worker', 'wait', '1'])).code).toBe(0);
    onceListening(() => {
      world.facade.workers = [worker(1), worker(2)];
      world.facade.publish({ type: 'worker-connected', workerId: 2, configuration: worker(2).configuration });
    });
    expect(await world.hq(['--output-mode', 'json', 'worker', 'wait', '2'])).toEqual({ code: 0, stdout: '{}\n', stderr: '' });
  });

  test('is interrupted', async () => {
    const interrupt = new AbortController();
    onceListening(() => interrupt.abort('SIGINT'));
    expect((await world.hq(['worker', 'wait', '3'], { signal: interrupt.signal })).code).toBe(130);
  });
});
