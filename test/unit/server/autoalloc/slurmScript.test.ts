import { expect, test } from 'vitest';
import { makeBatchHost } from '../../../../src/server/autoalloc/batchHost.ts';
import type { SubmitRequest, WorkerCommand } from '../../../../src/server/autoalloc/batchSystem.ts';
import { makeSlurm } from '../../../../src/server/autoalloc/slurm.ts';

const slurm = makeSlurm(makeBatchHost({ title: 'Slurm', directory: '/nowhere' }));

const worker: WorkerCommand = {
  hqPath: '/opt/hq',
  serverDir: '/s/001',
  idleTimeoutMs: 300_000,
  options: [['--cpus', '2x4'], ['--no-hyper-threading']],
  onServerLost: 'finish-running',
  timeLimitMs: 14_400_000,
};

const request: SubmitRequest = {
  ...{ queueId: 1, number: 1, name: 'hq-1-1', directory: '/s/001/autoalloc/1/001', nodes: 1, timeLimitMs: 14_400_000 },
  ...{ extraArgs: ['--partition=general', '--mem=32G'], worker, comment: 'hq:a:1:1', held: false },
};

const lastLine = (changes: Partial<SubmitRequest>) =>
  slurm
    .script({ ...request, ...changes })
    .split('\n')
    .at(-1);

test('a script has the directives of HyperQueue and the command of one worker', () => {
  expect(slurm.script(request)).toMatchInlineSnapshot(`
    "#!/bin/bash
    #SBATCH --nodes=1
    #SBATCH --job-name=hq-1-1
    #SBATCH --output=/s/001/autoalloc/1/001/stdout
    #SBATCH --error=/s/001/autoalloc/1/001/stderr
    #SBATCH --time=04:00:00
    #SBATCH --partition=general --mem=32G

    /opt/hq worker start --idle-timeout "5m" --manager "slurm" --server-dir "/s/001" --cpus "2x4" --no-hyper-threading --on-server-lost "finish-running" --time-limit "4h""
  `);
});

test('several nodes get one worker each; commands around it run in a shell on each of them', () => {
  expect(lastLine({ nodes: 2 })).toMatchInlineSnapshot(
    `"srun --overlap --ntasks=2 --nodes=2 /opt/hq worker start --idle-timeout "5m" --manager "slurm" --server-dir "/s/001" --cpus "2x4" --no-hyper-threading --on-server-lost "finish-running" --time-limit "4h""`,
  );
  const wrapped = { ...worker, startCommand: "echo 'a'", wrapCommand: 'podman run x', stopCommand: 'echo b' };
  expect(lastLine({ nodes: 2, worker: wrapped })).toMatchInlineSnapshot(
    `"srun --overlap --ntasks=2 --nodes=2 bash -c 'echo '\\''a'\\'' && podman run x /opt/hq worker start --idle-timeout "5m" --manager "slurm" --server-dir "/s/001" --cpus "2x4" --no-hyper-threading --on-server-lost "finish-running" --time-limit "4h"; echo b'"`,
  );
  expect(lastLine({ worker: wrapped })).toMatchInlineSnapshot(
    `"echo 'a' && podman run x /opt/hq worker start --idle-timeout "5m" --manager "slurm" --server-dir "/s/001" --cpus "2x4" --no-hyper-threading --on-server-lost "finish-running" --time-limit "4h"; echo b"`,
  );
});
