/** A test cluster whose nodes have networks of their own; and that nothing of a cluster is left when it is stopped. */
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stop } from '../../fixtures/slurm-cluster/lib/lifecycle.mjs';
import { alone } from '../../fixtures/slurm-cluster/lib/lock.mjs';
import { DIR, ETC } from '../../fixtures/slurm-cluster/lib/places.mjs';
import { Cluster, waitFor } from '../helpers/cluster.ts';
import { processesWith, SlurmCluster } from '../helpers/slurm.ts';

const USER = 'hqslurmtest';
const SLEEP = 'sleep 47114711';

/** A worker tries for a while before it gives up. */
const REACH_MS = 90_000;

let slurm: SlurmCluster;

beforeAll(async () => {
  slurm = await SlurmCluster.start({ netns: true, user: USER });
});
afterAll(() => slurm.clean());

test('a node reaches this host at its address, not at 127.0.0.1, and not at all without its cable', async () => {
  const server = createServer((socket) => socket.end()).listen(0, '0.0.0.0');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const reaches = async (host: string) =>
    (await slurm.exec('n1', 'timeout', '3', 'bash', '-c', `exec 3<>/dev/tcp/${host}/${port}`)).code === 0;
  try {
    expect(await reaches(slurm.host)).toBe(true);
    expect(await reaches('127.0.0.1')).toBe(false);
    await slurm.node('unplug', 'n1');
    expect(await reaches(slurm.host)).toBe(false);
    await slurm.node('plug', 'n1');
    await waitFor('the network', () => reaches(slurm.host));
  } finally {
    server.close();
  }
});

test('on the login node, srun reaches steps on all nodes', async () => {
  const { stdout } = await slurm.exec('login', 'srun', '--nodes=4', 'hostname');
  expect(stdout.split('\n').sort()).toEqual(['n1', 'n2', 'n3', 'n4']);
});

test('allocations whose workers cannot reach the server: the queue is paused, says so, and leads to what a worker has said', async () => {
  const hq = new Cluster({ HQ_AUTOALLOC_REFRESH_INTERVAL_MS: '1000', HQ_AUTOALLOC_MAX_ALLOCATION_FAILS: '1' });
  try {
    // On 127.0.0.1, where only this host reaches it.
    await hq.startServer();
    await hq.ok(['alloc', 'add', 'slurm', '--no-dry-run', '--time-limit', '10m', '--max-worker-count', '1']);
    await hq.ok(['submit', '--', 'true']);
    const paused = async () =>
      /PAUSED.*no worker of it had connected, see: hq alloc log (\d+) stderr/s.exec(await hq.ok(['alloc', 'list']));
    const [, id = ''] = await waitFor('the pause', paused, REACH_MS);
    expect(await hq.ok(['alloc', 'log', id, 'stderr'])).toMatch(/127\.0\.0\.1/);
    expect(await hq.ok(['--output-mode', 'quiet', 'job', 'list'])).toBe('1 WAITING\n');
  } finally {
    await hq.stop();
  }
});

test('stopped, the cluster has left nothing on the machine', async () => {
  const id = await slurm.submit(`(setsid ${SLEEP} &); ${SLEEP}`);
  await slurm.untilJob(id, 'RUNNING');
  expect(await traces()).not.toEqual(NONE);
  // under one lock: another checkout may wait to start its own
  const left = await alone(async () => {
    await stop({});
    return traces();
  });
  expect(left).toEqual(NONE);
});

const NONE = { files: [], processes: [], mounts: [], interfaces: [], routes: [], groups: [], users: [] };

/** All that a cluster puts on a machine. Each list is filled while it is up. */
async function traces(): Promise<Record<keyof typeof NONE, string[]>> {
  const linesOf = (file: string, word: string) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line.includes(word));
  const namesIn = (folder: string, pattern: RegExp) => (existsSync(folder) ? readdirSync(folder).filter((name) => pattern.test(name)) : []);
  return {
    files: [...namesIn(ETC, /^(slurm|gres|cgroup|slurmdbd)\.conf$/), ...(existsSync(DIR) ? [DIR] : [])],
    processes: processesWith(DIR, 'slurmd', 'slurmctld', 'slurmstepd', SLEEP),
    mounts: linesOf('/proc/self/mountinfo', 'hqslurm'),
    interfaces: namesIn('/sys/class/net', /^hqslurm/),
    routes: (await slurm.ok('ip', 'route')).split('\n').filter((line) => line.includes('10.231.7.')),
    groups: namesIn('/sys/fs/cgroup/freezer', /^slurm/),
    users: linesOf('/etc/passwd', USER),
  };
}
