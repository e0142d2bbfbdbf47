/** One message of every kind and variety; their frames lie in fixtures/frames and must be readable for ever. */
import type { FromWorker, ToWorker, WireBody } from '../../../src/protocol/messages/worker.ts';

const body: WireBody = {
  command: ['bash', '-c', 'echo "$HQ_ENTRY"'],
  env: { LANG: 'C', NAME: 'žluťoučký' },
  cwd: '/work dir/%{TASK_ID}',
  stdout: { path: '%{CWD}/out', onClose: 'rm-if-finished' },
  stderr: null,
  stdin: null,
  submitDir: '/work dir',
  stream: null,
  timeLimitMs: 1500.5,
  priority: -3,
  request: [
    { nodes: 0, minTimeMs: 0, weight: 10_000, entries: [{ name: 'cpus', policy: 'compact', units: 20_000, maxUnits: 80_000 }] },
    { nodes: 0, minTimeMs: 60_000, weight: 5_000, entries: [{ name: 'gpus/nvidia', policy: 'all', units: 0 }] },
  ],
};
const spread: WireBody = { ...body, request: [{ nodes: 3, minTimeMs: 0, weight: 10_000, entries: [] }] };
const streamed: WireBody = {
  ...body,
  stdout: undefined,
  stderr: undefined,
  stream: '/work dir/logs',
  stdin: new Uint8Array([0, 255, 10]),
  timeLimitMs: null,
};

export const TO_WORKER: Readonly<Record<string, ToWorker>> = {
  welcome: ['welcome', { workerId: 7, serverUid: 'Wi1AgQ', serverVersion: '0.1.0', ackedSeq: 0, idleTimeoutMs: null, wanted: [] }],
  'welcome-again': [
    'welcome',
    {
      workerId: 7,
      serverUid: 'Wi1AgQ',
      serverVersion: '0.1.0',
      ackedSeq: 5_000_000_000,
      idleTimeoutMs: 300_000,
      wanted: [
        [1, 0, 0],
        [4_294_967_295, 4_294_967_295, 4_294_967_295],
      ],
    },
  ],
  'welcome-room': [
    'welcome',
    { workerId: 7, serverUid: 'Wi1AgQ', serverVersion: '0.1.0', ackedSeq: 0, idleTimeoutMs: null, wanted: [], wantsRoom: true },
  ],
  'welcome-notices': [
    'welcome',
    { workerId: 7, serverUid: 'Wi1AgQ', serverVersion: '0.1.0', ackedSeq: 0, idleTimeoutMs: null, wanted: [], wantsNotices: true },
  ],
  refused: ['refused', 'HQ_E_VERSION', 'protocol version 2.0 does not fit 1.0'],
  compute: [
    'compute',
    [body],
    [
      [1, 0, 0, 0, null, 0],
      [1, 1, 2, 0, 'line 1', 1],
    ],
  ],
  'compute-stream': ['compute', [body, streamed], [[2, 9, 0, 1, '{"a":1}', 0]]],
  'compute-nodes': [
    'compute',
    [body, spread],
    [
      [1, 0, 0, 0, null, 0],
      [1, 1, 0, 1, null, 0, ['node1.cluster.example', 'node2.cluster.example', '10.0.0.3']],
    ],
  ],
  'compute-task-dir': ['compute', [{ ...body, taskDir: true }], [[3, 2, 0, 0, null, 0]]],
  'compute-warm': [
    'compute',
    [{ ...body, warm: { kind: 'snakemake', python: '/opt/python3', run: '5f1c', level: 'snakefile' } }],
    [[3, 1, 0, 0, null, 1]],
  ],
  'compute-warm-function': [
    'compute',
    [
      {
        ...body,
        warm: {
          kind: 'python',
          python: 'python3',
          run: 'functions',
          level: 'imports',
          prologue: 'module load Python',
          shell: 'bash',
          imports: ['numpy'],
        },
      },
    ],
    [[3, 1, 0, 0, null, 1]],
  ],
  'compute-wrapper': ['compute', [{ ...body, wrapper: 'nextflow' }], [[3, 1, 0, 0, null, 1]]],
  'compute-pin': ['compute', [{ ...body, pin: 'omp' }], [[3, 1, 0, 0, null, 1]]],
  cancel: [
    'cancel',
    [
      [1, 0, 0],
      [1, 70_000, 300],
    ],
  ],
  retract: ['retract', [[3, 4, 0]]],
  member: ['member', true],
  ack: ['ack', 70_000],
  heartbeat: ['heartbeat'],
  stop: ['stop'],
};

const usage = { wallMs: 12.25, userMs: 3, systemMs: null, maxRssBytes: 5_000_000_000, peakMemBytes: 6_000_000_000 };

export const FROM_WORKER: Readonly<Record<string, FromWorker>> = {
  notice: ['notice', 'jobs are started by their commands'],
  'hello-guard': [
    'hello',
    {
      protocol: [1, 0],
      role: 'worker',
      token: 'secret',
      serverUid: 'Wi1AgQ',
      workerId: null,
      session: '00112233445566778899aabbccddeeff',
      configuration: {
        resources: {
          resources: [
            {
              name: 'cpus',
              kind: 'groups',
              groups: [
                ['0', '1'],
                ['2', '3'],
              ],
            },
            { name: 'gpus/nvidia', kind: 'list', values: ['GPU-1'] },
            { name: 'ids', kind: 'range', start: 1, end: 10 },
            { name: 'mem', kind: 'sum', size: 320_000_000 },
          ],
          coupling: { weights: [{ resource1_idx: 0, group1_idx: 0, resource2_idx: 1, group2_idx: 0, weight: 256 }] },
        },
        hostname: 'node1',
        group: 'default',
        pid: 1234,
        workDir: '/tmp/hq-worker1',
        heartbeatMs: 8000,
        idleTimeoutMs: null,
        timeLimitMs: 3_600_000,
        startedAtMs: 1_790_000_000_000,
        onServerLost: 'reconnect',
        minUtilization: 0.5,
        memoryGuard: 'cgroup-v2',
        allocation: { manager: 'Slurm', id: '42' },
        listenAddress: '',
        version: '0.1.0',
      },
      held: [
        [1, 2, 0, 1],
        [1, 3, 0, 0],
      ],
    },
  ],
  'updates-peak': [
    'updates',
    1,
    [
      [0, 1, 0, 0, 1_790_000_000_001, 0],
      [1, 1, 0, 0, 1_790_000_000_013.5, usage],
      [1, 1, 1, 0, 1_790_000_000_013, null],
      [2, 1, 2, 1, 1_790_000_000_014, usage, { kind: 'exit', error: 'Program terminated with exit code 3.', exitCode: 3, signal: null }],
      [
        2,
        1,
        2,
        2,
        1_790_000_000_014,
        null,
        { kind: 'signal', error: 'Program terminated with exit code -1. Received signal 9 (SIGKILL).', exitCode: null, signal: 'SIGKILL' },
      ],
      [3, 1, 3, 0, 1_790_000_000_015],
      [4, 1, 4, 0, 1_790_000_000_016],
      [5, 1, 5, 0, 1_790_000_000_017],
    ],
  ],
  'updates-room': ['updates', 2, [[0, 1, 0, 0, 1_790_000_000_001, 0]], [[[2, 3_000], [0]], [[1, 7_500, 1]], [[10]], 320_000_000]],
  'updates-notified': ['updates', 3, [[6, 1, 0, 0, 1_790_000_000_018, 'epoch 3: žluť']]],
  heartbeat: ['heartbeat'],
  'leaving-stopped': ['leaving', 'STOPPED'],
  'leaving-idle': ['leaving', 'IDLE TIMEOUT'],
  'leaving-time': ['leaving', 'TIME LIMIT REACHED'],
};
