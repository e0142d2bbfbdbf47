/** What Slurm's commands print, read by `hq compare`. Texts of Slurm 22.05, cut. */
import { describe, expect, test } from 'vitest';
import {
  readConfiguration,
  readJobRows,
  readSdiag,
  readSinfo,
  readSubmittedIds,
  rpcsBetween,
  withoutArrays,
} from '../../../../src/cli/compare/slurmText.ts';

test('partitions have the nodes that are in service and the CPUs of most of them', () => {
  const text = 'general*|1|4|mix\ngeneral*|2|8+|idle\ngeneral*|1|4|down*\ngeneral*|1|4|idle*\ngpu|1|4|drain\n';
  expect(readSinfo(text)).toEqual([
    { name: 'general', nodes: 3, nodeCpus: 8, isDefault: true },
    { name: 'gpu', nodes: 0, nodeCpus: 0, isDefault: false },
  ]);
});

test('the configuration tells the version and how large an array may be', () => {
  expect(readConfiguration('MaxArraySize            = 501\nSLURM_VERSION           = 22.05.8\n')).toEqual({
    version: '22.05.8',
    maxArraySize: 501,
  });
});

const sdiag = (o: { info: number; stats: number; user: number }) => `*******************************
sdiag output at Thu Nov 26 02:00:00 2026 (1795658400)
Data since      Thu Jan 01 00:00:00 1970 (0)
*******************************
Jobs submitted: 12

Remote Procedure Call statistics by message type
\tREQUEST_JOB_INFO                        ( 2003) count:${o.info}      ave_time:178    total_time:535
\tREQUEST_STATS_INFO                      ( 2035) count:${o.stats}      ave_time:178    total_time:535

Remote Procedure Call statistics by user
\troot            (       0) count:${o.user}      ave_time:178    total_time:535
\tann             (    1000) count:900      ave_time:178    total_time:535

Pending RPC statistics
\tNo pending RPCs
`;

describe('requests to the controller', () => {
  const before = readSdiag(sdiag({ info: 10, stats: 1, user: 40 }));

  test('between two moments are counted without the look at the counters', () => {
    const after = readSdiag(sdiag({ info: 17, stats: 2, user: 48 }));
    expect(rpcsBetween(before, after, 0)).toEqual({ total: 7, user: 7, byType: { REQUEST_JOB_INFO: 7 } });
    expect(rpcsBetween(before, after, 1_000)).toMatchObject({ total: 7, user: 0 });
  });

  test('are not known when the counters were reset meanwhile', () => {
    expect(rpcsBetween(before, readSdiag(sdiag({ info: 3, stats: 1, user: 4 })), 0)).toBeNull();
  });
});

test('jobs of squeue and of sacct have their times where there are any', () => {
  const text =
    '12_3|COMPLETED|1795658400|1795658403|1\n13|PENDING|N/A|N/A|1\n14|CANCELLED by 0|Unknown|1795658403|4\n15|RUNNING|0|Unknown|\n';
  expect(readJobRows(text)).toEqual([
    { id: '12_3', state: 'COMPLETED', startMs: 1_795_658_400_000, endMs: 1_795_658_403_000, cpus: 1 },
    { id: '13', state: 'PENDING', startMs: null, endMs: null, cpus: 1 },
    { id: '14', state: 'CANCELLED', startMs: null, endMs: 1_795_658_403_000, cpus: 4 },
    { id: '15', state: 'RUNNING', startMs: null, endMs: null, cpus: 0 },
  ]);
});

test('ids of submitted jobs are found in all forms, and not in what sites print beside', () => {
  const text = 'Welcome, 2 news\nSubmitted batch job 17\n18\n19;cluster1\nSubmitted batch job 20 on cluster two\nquota: 99 GB\n';
  expect(readSubmittedIds(text)).toEqual(['17', '18', '19', '20']);
});

test('the row of an array whose tasks have rows of their own is none of a job', () => {
  const rows = readJobRows('2|COMPLETED|1|2|1\n2_0|COMPLETED|1|2|1\n2_1|FAILED|1|2|1\n21|COMPLETED|1|2|1\n');
  expect(withoutArrays(rows).map(({ id }) => id)).toEqual(['2_0', '2_1', '21']);
});
