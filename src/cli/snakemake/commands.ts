/** The commands about runs of Snakemake: part of the command table. They read and write files where they are typed, so no server runs them for clients. */
import type { Option } from 'commander';
import type { CommandEntry, CommandGroup, RunCommand } from '../commandEntry.ts';
import { appendPair, integer, opt, text, val } from '../options.ts';

const RUN_ARG = ['<run>', "last, the job id of the run, or the beginning of the run's id"] as const;
const count: (typed: string) => number = integer(1, 1_000_000);

const logs: CommandEntry = {
  name: 'snakemake',
  description: 'Print what the jobs of a run of Snakemake have written',
  args: [RUN_ARG],
  options: (): Option[] => [
    val('--rule <RULE>', 'only jobs of this rule (default: of all)', text),
    opt('--wildcard <NAME=VALUE>', 'only jobs with this wildcard; may be repeated (default: all)').argParser(appendPair),
    opt('--failed', 'failed jobs: command, reason, peak memory and the last lines').conflicts('follow'),
    val('--lines <N>', 'only the last lines of each job (default: all, with --failed 20)', count).conflicts('follow'),
    opt('-f, --follow', 'go on until the run has ended, also with jobs that are submitted later').conflicts('failed'),
  ],
  examples: ['hq logs snakemake last --failed', 'hq logs snakemake 3 --rule align --wildcard sample=A', 'hq logs snakemake last -f'],
  load: async () => (await import('../commands/snakemakeLogs.ts')).runSnakemakeLogs as RunCommand,
};

const report: CommandEntry = {
  name: 'snakemake',
  description: 'Say what the jobs of a run of Snakemake asked for and used, and what to ask for next time',
  args: [RUN_ARG],
  options: () => [
    val('--out <DIR>', 'also write report.html, with timelines, report.csv and report.json there (default: not written)', text),
  ],
  examples: ['hq report snakemake last', 'hq report snakemake last --out report'],
  load: async () => (await import('../commands/snakemakeReport.ts')).runSnakemakeReport as RunCommand,
};

const profile: CommandEntry = {
  name: 'profile',
  description: 'Write a profile directory for snakemake --profile',
  args: [['<directory>', 'where config.yaml is written']],
  options: () => [
    val('--slurm <OPTIONS>', 'let Slurm bring workers, with these options of sbatch (default: none)', text).conflicts('alloc'),
    val('--alloc <SYSTEM>', "the same for 'pbs OPTIONS', 'gridengine OPTIONS' or local (default: none)", text).conflicts('slurm'),
    val('--time-limit <DURATION>', 'time limit of an allocation, as 4h; needed with --slurm and --alloc (default: none)', text),
    val('--max-workers <N>', 'most workers in allocations (default: no limit)', count),
    val('--workers-per-alloc <N>', 'most nodes of an allocation (default: 1)', count),
    val('--jobs <N>', 'most jobs at a time (default: 10000)', count),
    opt('--default-resource <NAME=VALUE>', 'of jobs that say nothing; may be repeated (default: mem_mb=2000 and runtime=60)').argParser(
      appendPair,
    ),
    opt('--force', 'replace a profile that is there'),
  ],
  examples: ["hq snakemake profile ~/.config/snakemake/hq --slurm '--partition general --account me' --time-limit 4h --max-workers 10"],
  load: async () => (await import('../commands/snakemakeProfile.ts')).runProfile as RunCommand,
};

export const SNAKEMAKE_GROUPS: readonly CommandGroup[] = [
  { name: 'logs', description: 'Print what the jobs of a workflow have written', commands: [logs] },
  { name: 'report', description: 'Report what the jobs of a workflow have used', commands: [report] },
  { name: 'snakemake', description: 'Help with Snakemake', commands: [profile] },
];
