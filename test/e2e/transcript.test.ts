/**
 * What the documentation shows is what happens: the examples at the end of each command's help, the blocks for a shell in the README and in docs/, and what those marked
 * as `console` print, are typed into a shell on a real server with workers.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { namedCommands } from '../../src/cli/commandEntry.ts';
import { COMMANDS } from '../../src/cli/commandTable.ts';
import type { HqClient } from '../../src/client/client.ts';
import { clientOf, ended, scriptSubmit } from '../helpers/api.ts';
import { Cluster } from '../helpers/cluster.ts';
import { inBackground, type ShellBlock, shellBlocks } from '../helpers/shellBlocks.ts';
import { furnish, type, typed } from '../helpers/tutorial.ts';

/** Where something is run that needs more than a server and workers on this host, and what is to be found in that file. */
type Elsewhere = Readonly<Record<string, readonly [file: string, text: string]>>;

/** Beginnings of examples. */
const ELSEWHERE: Elsewhere = {
  'hq server start': ['test/helpers/cluster.ts', "'server', 'start'"],
  'hq worker start': ['test/helpers/cluster.ts', "'worker', 'start'"],
  'hq dashboard': ['test/e2e/dashboard.test.ts', 'tmux'],
  'hq alloc add slurm': ['test/slurm/autoalloc.test.ts', "'alloc', 'add', 'slurm'"],
  'hq alloc dry-run slurm': ['test/slurm/autoalloc.test.ts', "'alloc', 'dry-run', 'slurm'"],
  'hq compare': ['test/slurm/compare.test.ts', "'compare'"],
  'hq logs snakemake': ['plugins/snakemake/tests/test_afterwards.py', '"logs", "snakemake"'],
  'hq report snakemake': ['plugins/snakemake/tests/test_afterwards.py', '"report", "snakemake"'],
  'hq journal stream': ['test/e2e/serverFiles.test.ts', "'journal', 'stream'"],
  'hq worker deploy-ssh': ['test/e2e/deploySsh.test.ts', "'deploy-ssh'"],
  'hq output-log logs show --follow': ['test/e2e/stream.test.ts', "'--follow'"],
  'hq task notify': ['test/e2e/notify.test.ts', 'task notify'],
};

/** Lines of blocks for a shell: a block that has one of them is not typed here. */
const BLOCKS_ELSEWHERE: Elsewhere = {
  'hq nextflow config --output hq.config': ['test/nextflow/support/nextflow.ts', "'nextflow', 'config'"],
  'nextflow run main.nf': ['test/nextflow/executor.test.ts', 'nextflow'],
  'hq alloc add slurm': ['test/slurm/autoalloc.test.ts', "'alloc', 'add', 'slurm'"],
  'hq compare': ['test/slurm/compare.test.ts', "'compare'"],
  'hq logs snakemake last': ['plugins/snakemake/tests/test_afterwards.py', '"logs", "snakemake"'],
  'exec hq job cancel': ['plugins/snakemake/tests/test_cluster_generic.py', 'docs/snakemake.md'],
  'state=$(hq': ['plugins/snakemake/tests/test_cluster_generic.py', 'docs/snakemake.md'],
  'systemctl --user': ['test/e2e/serverFiles.test.ts', 'systemd-analyze'],
  'systemd-run --user': ['test/unit/worker/memory.test.ts', 'cgroup'],
  'hq server generate-access': ['test/e2e/serverFiles.test.ts', "'generate-access'"],
  'hq server start --journal': ['test/e2e/serverFiles.test.ts', "'--journal'"],
};

/** What is not there in this place, and is told so. */
const FAILS: Readonly<Record<string, RegExp>> = {
  'hq alloc log 4711 stderr': /Allocation 4711 not found/,
  'hq doctor --server-dir /scratch/me/hq': /^$/,
  'hq doctor': /^$/,
  'hq job wait all --fail-on-error': /FAILED/,
  'hq server backup /scratch/me/hq-backup.db': /cannot be copied to '\/scratch\/me/,
  'hq alloc remove 1 --force': /allocation queue 1 not found/,
  'hq server stop --keep-workers': /no running server/,
};
/** Is this shell here? */
const has = (shell: string): boolean => spawnSync(shell, ['--version']).status === 0;

const BLOCKS: readonly ShellBlock[] = shellBlocks();

/** What some of them print. */
const SHOWN: readonly (readonly [of: readonly [page: string, text: string], shown: RegExp])[] = [
  [['README.md', 'process_sample'], /^Job submitted successfully, job ID: 1\n[\s\S]*sample 42\n$/],
  [['docs/http-api.md', '/v1/jobs\n'], /"name": ?"pages"/],
  [['docs/http-api.md', 'tasks/3/output'], /^3\n$/],
  [['docs/job-files.md', 'submit-file'], /job ID: \d+\n$/],
];

function isElsewhere(text: string): boolean {
  return text.split('\n').some((line) => Object.keys(BLOCKS_ELSEWHERE).some((beginning) => line.startsWith(beginning)));
}

/** Ends what others need: at the end, in this order. */
const LAST = ['hq job cancel', 'hq job forget', 'hq alloc remove', 'hq worker stop 3', 'hq worker stop all', 'hq server stop'];

let cluster: Cluster;
let client: HqClient;
beforeAll(async () => {
  cluster = new Cluster({ BROWSER: 'true' });
  cluster.env['HOME'] = cluster.root;
  furnish(cluster);
  await cluster.startServer();
  client = await clientOf(cluster);
  for (let i = 0; i < 3; i += 1) await cluster.startWorker(['--cpus', '4', '--resource', 'licenses=4']);
});
afterAll(async () => {
  client?.close();
  await cluster.stop();
});

const weight = (line: string): number => LAST.findIndex((beginning) => line.startsWith(beginning));
const examples = [...new Set(namedCommands(COMMANDS).flatMap(({ entry }) => entry.examples ?? []))]
  .filter((line) => !Object.keys(ELSEWHERE).some((beginning) => line.startsWith(beginning)))
  .sort((a, b) => weight(a) - weight(b));

describe('examples of help texts', () => {
  beforeAll(async () => {
    const write = (path: string, text: string): void => writeFileSync(join(cluster.work, path), text, { mode: 0o755 });
    write('align.sh', '#!/bin/sh\necho aligned "$@"\n');
    write('job.toml', '[[task]]\nid = 0\ncommand = ["true"]\n');
    write('more.yaml', 'task: [{command: ["true"]}]\n');
    for (const folder of ['.local/share/bash-completion/completions', '.zfunc', '.config/fish/completions', 'hq-bridge'])
      mkdirSync(join(cluster.root, folder), { recursive: true });
    writeFileSync(join(cluster.root, 'hq-bridge/config.yaml'), 'profiles: {gpu: {defaults: {submit: {priority: 1}}}}\n');
    await typed(cluster, `hq submit --array 1-5 -- sh -c 'echo $HQ_TASK_ID; echo $HQ_TASK_ID >&2'`);
    await typed(cluster, 'hq submit --array 0-3 -- false; hq job wait 1,2');
    await typed(cluster, 'hq job open; hq submit --job 3 --array 17,42 --stream logs -- echo streamed; hq job wait --without-close 3');
    await typed(cluster, 'mkdir -p ~/.hq-server/001; hq server backup ~/.hq-server/001/journal.db');
    await typed(cluster, 'hq alloc add local --time-limit 1h --cpus 4 --no-dry-run; hq alloc pause 1');
  });

  test('bash completes ids of jobs and workers, after it has read the script', async () => {
    const press = (...words: string[]): string =>
      `COMP_WORDS=(hq ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _hq; echo "\${COMPREPLY[@]}"`;
    const lines = [
      'source <(hq generate-completion bash)',
      press('job', 'info', ''),
      press('worker', 'stop', ''),
      press('submit', '--job', '=', ''),
    ];
    expect(await typed(cluster, lines.join('\n'))).toBe('last all 3 2 1\nlast all 3 2 1\n3 2 1\n');
  });

  test.skipIf(!has('fish'))('fish completes the same with descriptions', async () => {
    const text = await typed(
      cluster,
      `fish -c 'hq generate-completion fish | source; complete -C "hq job cancel "; complete -C "hq --server-d"'`,
    );
    expect(text).toMatch(/^3\tjob OPENED\n[\s\S]*--server-dir\tserver directory/m);
  });

  test.skipIf(!has('zsh'))('zsh reads its script and offers the same', async () => {
    // What it would offer is printed: its own display needs a terminal.
    const script = `autoload -U compinit; compinit -u -D; _describe() { shift 2; print -l -- "\${(@P)1}" }; source <(hq generate-completion zsh)
      words=(hq job cancel ""); CURRENT=4; _hq; words=(hq sub); CURRENT=2; _hq`;
    writeFileSync(join(cluster.work, 'complete.zsh'), script);
    expect(await typed(cluster, 'zsh -f complete.zsh')).toMatch(
      /^last:the newest one\nall:every one\n3:job OPENED\n[\s\S]*submit:Submit a task/,
    );
  });

  test.each(examples)('%s', async (line) => {
    // `last` is a job with tasks that is open, whatever the example before has done.
    if (line.includes('last')) {
      const { jobId } = await client.createJob({ name: 'last', open: true, submit: scriptSubmit(cluster, 'true', { ids: '0-9' }) });
      await ended(client, jobId);
    }
    if (/job (wait|progress) (all|last)/.test(line))
      for (const job of await client.listJobs()) if (job.isOpen) await client.closeJob(job.id);
    const { code, stdout, stderr } = await type(cluster, line);
    const [, failure] = Object.entries(FAILS).find(([known]) => line === known) ?? [];
    expect(stderr).not.toMatch(/^error:|\n\s+at |internal error/m);
    if (failure === undefined) expect([code, stderr, stdout]).toEqual([0, expect.not.stringContaining('ERROR'), expect.anything()]);
    else expect(code === 0 ? '' : stderr.trim()).toMatch(failure);
  });
});

test.each(Object.entries({ ...ELSEWHERE, ...BLOCKS_ELSEWHERE }))('%s is run elsewhere', (beginning, [file, text]) => {
  expect(readFileSync(file, 'utf8')).toContain(text);
  // Nothing is listed that no page and no help text has any more.
  const shown = [...namedCommands(COMMANDS).flatMap(({ entry }) => entry.examples ?? []), ...BLOCKS.map(({ text: lines }) => lines)];
  expect(shown.some((lines) => lines.split('\n').some((line) => line.startsWith(beginning)))).toBe(true);
});

describe('blocks for a shell', () => {
  let own: Cluster;
  beforeAll(async () => {
    own = new Cluster({ USER: 'me' });
    own.env['HOME'] = own.root;
    // As a person has it: the default directory.
    delete own.env['HQ_SERVER_DIR'];
    furnish(own);
    const [, jobFile = ''] = /^```toml\n(.*?)^```$/ms.exec(readFileSync('docs/job-files.md', 'utf8')) ?? [];
    writeFileSync(join(own.work, 'job.toml'), jobFile);
    await own.startServer();
    await own.startWorker(['--cpus', '16']);
    await typed(own, "hq submit --name pages --wait --array 1-17 -- sh -c 'echo $HQ_TASK_ID'");
    own.env['SOCKET'] = await typed(own, 'jq -j .socket.path ~/.hq-server/hq-current/access.json');
  });
  afterAll(() => own.stop());

  test.each(BLOCKS.filter(({ text }) => !isElsewhere(text)))('$page: $name', async ({ page, text }) => {
    const lines = inBackground(text);
    const startsServer = lines.includes('hq server start');
    const workers = lines.split('hq worker start').length - 1;
    const script = [
      ...['set -e', startsServer ? lines.replace(/^hq submit/m, 'hq worker wait 1\n$&') : lines],
      ...(workers === 0 ? [] : [`hq worker wait ${startsServer ? workers : workers + 1}`]),
    ].join('\n');
    // A server of its own does not meet the other one.
    const env = startsServer ? { HOME: mkdtempSync(join(own.root, 'home-')) } : {};
    try {
      const shown = await typed(own, script, env);
      for (const [of, pattern] of SHOWN) if (page === of[0] && text.includes(of[1])) expect(shown).toMatch(pattern);
    } finally {
      if (startsServer) await type(own, 'hq server stop', env);
    }
  });
});

/** Lines that begin with `$ ` are typed; those below are what they print, where `…` stands for anything, alone in a line for any lines. */
interface Typed {
  readonly line: string;
  readonly shown: string;
}

interface Block {
  readonly page: string;
  /** Files whose text stands above it: a block whose first line is a comment with the name. */
  readonly files: readonly (readonly [name: string, text: string])[];
  readonly typed: readonly Typed[];
}

function blocksOf(page: string): Block[] {
  const blocks = [...readFileSync(join('docs', page), 'utf8').matchAll(/^```(\w*)\n(.*?)^```$/gms)];
  const files = blocks.flatMap(([, , text = '']) => {
    const [, name] = /^# (\S+\.\w+)\n/.exec(text) ?? [];
    return name === undefined ? [] : [[name, text] as const];
  });
  return blocks
    .filter(([, language]) => language === 'console')
    .map(([, , text = '']) => ({
      page,
      files,
      typed: text
        .split(/^\$ /m)
        .slice(1)
        .map((part) => ({ line: part.slice(0, part.indexOf('\n')), shown: part.slice(part.indexOf('\n') + 1) })),
    }));
}

function patternOf(shown: string): RegExp {
  const lines = shown.split('\n').map((line) => (line === '…' ? '(.*\\n)*?' : `${line.split('…').map(plain).join('.*')}\n`));
  return new RegExp(`^${lines.slice(0, -1).join('')}$`);
}

function plain(text: string): string {
  // Columns of a table are as wide as what is in them.
  return text
    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replace(/ +/g, ' +')
    .replace(/-{2,}/g, '-+');
}

describe.each(
  readdirSync('docs').filter((name) => name.endsWith('.md') && readFileSync(join('docs', name), 'utf8').includes('```console')),
)('docs/%s', (page) => {
  let own: Cluster;
  beforeAll(async () => {
    own = new Cluster();
    furnish(own);
    await own.startServer();
    await own.startWorker(['--cpus', '8']);
    await own.ok(['submit', '--wait', '--', 'true']);
  });
  afterAll(() => own.stop());

  test.each(blocksOf(page))('block %#', async ({ files, typed: lines }) => {
    for (const [name, text] of files) writeFileSync(join(own.work, name), text);
    for (const { line, shown } of lines) {
      const stdout = await typed(own, line);
      expect(stdout, line).toMatch(patternOf(shown));
    }
  });
});
