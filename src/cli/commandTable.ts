/** Every command with its arguments, options and examples: the source of the commander tree and of the help. */
import type { Option } from 'commander';
import { ALLOC } from './alloc/commands.ts';
import type { CommandEntry, CommandGroup, RunCommand } from './commandEntry.ts';
import { COMPARE } from './compare/commands.ts';
import { COMPLETE, GENERATE_COMPLETION } from './completion/commands.ts';
import { CONFIG } from './config/commands.ts';
import { DASHBOARD } from './dashboard/commands.ts';
import { DOC } from './doc/commands.ts';
import { JOURNAL } from './journal/commands.ts';
import { atMost, id, integer, jobName, opt, orNone, positiveDurationMs, text, val } from './options.ts';
import { SELECTOR_ARG } from './selectorArg.ts';
import { SERVER } from './serverCommands.ts';
import { SNAKEMAKE_GROUPS } from './snakemake/commands.ts';
import { afterOkOption, submitOptions, submitReadsFiles, submitSettlesCut } from './submit/options.ts';
import { WORKER } from './workerCommands.ts';

const LAST_SELECTOR_ARG = ['<selector>', 'last or ids like 1-3,7'] as const;
const TASK_STATES = 'waiting,running,finished,failed,canceled,aborted';

const job = () => import('./commands/job.ts');
const jobShow = () => import('./commands/jobShow.ts');
const jobFile = () => import('./commands/jobFile.ts');
const task = () => import('./commands/task.ts');
const submit = () => import('./commands/submit.ts');

const waiting = (): Option[] => [
  opt('--wait', 'wait until the job has ended').conflicts('progress'),
  opt('--progress', 'wait and show a progress bar').conflicts('wait'),
  val(
    '--on-notify <COMMAND>',
    'while waiting, run this for each message of a task (hq task notify), which is its last argument (default: nothing)',
    text,
  ),
];

const SUBMIT: Omit<CommandEntry, 'name'> = {
  description: 'Submit a task or an array of tasks',
  args: [['<command...>', 'program and its arguments']],
  options: () => [...submitOptions(), val('--job <ID>', 'add to this open job (default: a new job)', id), ...waiting()],
  tail: true,
  examples: ['hq submit --cpus 4 -- ./align.sh sample1', "hq submit --array 1-1000 --stream logs -- bash -c 'process $HQ_TASK_ID'"],
  effect: 'changes',
  readsFiles: submitReadsFiles,
  settlesCut: submitSettlesCut,
  load: async () => (await submit()).runSubmit as RunCommand,
};

export const COMMANDS: readonly (CommandEntry | CommandGroup)[] = [
  SERVER,
  WORKER,
  { name: 'submit', ...SUBMIT },
  {
    name: 'job',
    description: 'Submit, look at and change jobs',
    commands: [
      { name: 'submit', ...SUBMIT, examples: ['hq job submit --array 1-3 -- ./align.sh'] },
      {
        name: 'submit-task',
        description: 'Add tasks to an open job',
        args: [
          ['<job>', 'id of the job', id],
          ['<command...>', 'program and its arguments'],
        ],
        options: () => [...submitOptions(), ...waiting()],
        tail: true,
        examples: ['hq job submit-task 3 -- process file1.txt'],
        effect: 'changes',
        readsFiles: submitReadsFiles,
        load: async () => (await submit()).runSubmitTask as RunCommand,
      },
      {
        name: 'submit-file',
        description: 'Submit the tasks of a job file',
        args: [['<file>', 'job file: TOML, or YAML if its name ends with .yaml, .yml or .json']],
        options: () => [
          val('--job <ID>', 'add to this open job (default: a new job)', id),
          afterOkOption(),
          opt('--strict', 'refuse tasks that no connected worker could ever run'),
          opt('--dry-run', 'show the tasks and which workers fit, and submit nothing'),
          ...waiting(),
        ],
        examples: ['hq job submit-file job.toml', 'hq job submit-file --job 3 more.yaml'],
        load: async () => (await jobFile()).runSubmitFile as RunCommand,
      },
      {
        name: 'validate',
        description: 'Check a job file without submitting it',
        args: [['<file>', 'job file: TOML, or YAML if its name ends with .yaml, .yml or .json']],
        examples: ['hq job validate job.toml'],
        load: async () => (await jobFile()).runValidate as RunCommand,
      },
      {
        name: 'list',
        description: 'List jobs (default: open, waiting and running ones)',
        examples: ['hq job list', 'hq job list --filter failed,canceled', 'hq --output-mode quiet job list --all'],
        options: () => [
          opt('--all', 'all jobs').conflicts('filter'),
          val('--filter <STATES>', `jobs in these states: ${TASK_STATES},opened (default: open, waiting and running ones)`, text).conflicts(
            'all',
          ),
          opt('--verbose', 'more columns'),
        ],
        effect: 'reads',
        load: async () => (await jobShow()).runList as RunCommand,
      },
      {
        name: 'summary',
        description: 'Count jobs by state',
        examples: ['hq job summary'],
        effect: 'reads',
        load: async () => (await jobShow()).runSummary as RunCommand,
      },
      {
        name: 'info',
        description: 'Show jobs',
        examples: ['hq job info last', 'hq job info 1-3 --tasks', 'hq --output-mode json job info 1'],
        args: [SELECTOR_ARG],
        options: () => [opt('--tasks', 'list the tasks, too')],
        effect: 'reads',
        load: async () => (await jobShow()).runInfo as RunCommand,
      },
      {
        name: 'cancel',
        description: 'Cancel unfinished tasks of jobs',
        examples: ['hq job cancel last', "hq job cancel 1-3 --reason 'wrong input'"],
        args: [SELECTOR_ARG],
        options: () => [val('--reason <TEXT>', 'shown with the job, at most 200 characters (default: none)', atMost(200))],
        effect: 'changes',
        load: async () => (await job()).runCancel as RunCommand,
      },
      {
        name: 'modify',
        description: 'Change priority and limits of tasks that have not ended; what a worker has gets them with its next attempt',
        args: [SELECTOR_ARG],
        options: () => [
          val('--tasks <IDS>', 'only these tasks (default: all that the job has now)', text),
          val('--priority <N>', 'higher first', integer(-0x8000_0000, 0x7fff_ffff)),
          val('--time-limit <DURATION>', 'kill a task after this time; none: never', orNone(positiveDurationMs)),
          val('--crash-limit <N>', 'fail a task lost N times with its worker; or never-restart, unlimited', text),
          val('--max-retries <N>', 'run a failed task again up to N times', integer(0, 65_535)),
          val('--max-fails <N>', 'abort the job when more tasks than this have failed; none: never', orNone(integer(0, 0xffff_ffff))),
        ],
        examples: ['hq job modify 3 --priority 10', 'hq job modify last --tasks 5-9 --time-limit 2h'],
        effect: 'changes',
        load: async () => (await import('./commands/jobModify.ts')).runModify as RunCommand,
      },
      {
        name: 'close',
        description: 'Close open jobs',
        examples: ['hq job close last'],
        args: [SELECTOR_ARG],
        effect: 'changes',
        load: async () => (await job()).runClose as RunCommand,
      },
      {
        name: 'open',
        description: 'Create an open job and print its id',
        examples: ['JOB_ID=$(hq job open --name study)'],
        options: () => [
          val('--name <NAME>', 'job name (default: job)', jobName),
          val('--max-fails <N>', 'abort the job when more tasks than this have failed (default: never)', integer(0, 0xffff_ffff)),
        ],
        effect: 'changes',
        load: async () => (await job()).runOpen as RunCommand,
      },
      {
        name: 'forget',
        description: 'Drop ended jobs from lists and journal',
        examples: ['hq job forget 1-3', 'hq job forget all --filter finished'],
        args: [SELECTOR_ARG],
        options: () => [val('--filter <STATES>', 'only jobs in these states (default: finished,failed,aborted,canceled)', text)],
        effect: 'changes',
        load: async () => (await job()).runForget as RunCommand,
      },
      {
        name: 'wait',
        description: 'Wait until jobs have ended',
        examples: ['hq job wait last', 'hq job wait all --fail-on-error'],
        args: [SELECTOR_ARG],
        options: () => [
          opt('--without-close', 'do not wait for open jobs to be closed'),
          opt('--fail-on-error', 'exit with 1 when a job has tasks that did not finish'),
        ],
        effect: 'waits',
        load: async () => (await import('./commands/jobWait.ts')).runWait as RunCommand,
      },
      {
        name: 'progress',
        description: 'Follow jobs with a progress bar',
        examples: ['hq job progress last'],
        args: [SELECTOR_ARG],
        load: async () => (await import('./commands/jobWait.ts')).runProgress as RunCommand,
      },
      {
        name: 'cat',
        description: 'Print output of tasks',
        examples: ['hq job cat last stdout', 'hq job cat 1 stderr --tasks 1-3 --print-task-header'],
        args: [LAST_SELECTOR_ARG, ['<channel>', 'stdout or stderr']],
        options: () => [
          val('--tasks <IDS>', 'only these tasks (default: all)', text),
          val('--task-status <STATES>', `only tasks in these states: ${TASK_STATES} (default: all)`, text),
          opt('--print-task-header', 'a line with job and task before each output'),
        ],
        load: async () => (await import('./commands/jobCat.ts')).runCat as RunCommand,
      },
      {
        name: 'logs',
        description: 'Print what tasks of a job have written, wherever it went',
        args: [['<job>', 'job id or last, alone or with tasks: 3, last.0, 3.1-5']],
        options: () => [
          opt('-f, --follow', 'go on until the tasks have ended; lines of several tasks begin with JOB.TASK'),
          opt('--channel <CHANNEL>', 'stdout or stderr (default: both)').choices(['stdout', 'stderr']),
        ],
        examples: ['hq job logs last', 'hq job logs -f 3.17'],
        load: async () => (await import('./commands/jobLogs.ts')).runLogs as RunCommand,
      },
      {
        name: 'task-ids',
        description: 'Print task ids',
        examples: ['hq job task-ids last', 'hq job task-ids 1 --filter failed'],
        args: [SELECTOR_ARG],
        options: () => [val('--filter <STATES>', `only tasks in these states: ${TASK_STATES} (default: all)`, text)],
        effect: 'reads',
        load: async () => (await jobShow()).runTaskIds as RunCommand,
      },
    ],
  },
  {
    name: 'task',
    description: 'Look at tasks',
    commands: [
      {
        name: 'list',
        description: 'List tasks of jobs',
        args: [LAST_SELECTOR_ARG],
        options: () => [
          val('--tasks <IDS>', 'only these tasks (default: all)', text),
          val('--task-status <STATES>', `only tasks in these states: ${TASK_STATES} (default: all)`, text).conflicts('filter'),
          val('--filter <STATES>', 'the same as --task-status', text).conflicts('taskStatus'),
          opt('--print-logs', 'behind the list, print what these tasks have written'),
          opt('-v, --verbose', 'whole error texts and peak memory'),
        ],
        examples: ['hq task list last --filter failed --print-logs'],
        effect: 'reads',
        load: async () => (await task()).runList as RunCommand,
      },
      {
        name: 'info',
        description: 'Show tasks in full',
        examples: ['hq task info last 0', 'hq task info 1 1-3 -v'],
        args: [
          ['<job>', 'job id or last'],
          ['<tasks>', 'task ids like 1-3,7'],
        ],
        options: () => [opt('-v, --verbose', 'whole command lines')],
        effect: 'reads',
        load: async () => (await task()).runInfo as RunCommand,
      },
      {
        // Without an effect: it is about the task around it, whose worker may run on another host than any server.
        name: 'notify',
        description: 'Inside a task, send a message to whoever waits for the job with --on-notify',
        args: [['<message>', 'text of at most 1,024 bytes']],
        examples: ['hq task notify "epoch 3 done"'],
        load: async () => (await import('./commands/taskNotify.ts')).runNotify as RunCommand,
      },
      {
        name: 'explain',
        description: 'Say why a task is not running and what to change',
        args: [
          ['<job>', 'job id or last'],
          ['<task>', 'task id', integer(0, 0xffff_ffff)],
        ],
        examples: ['hq task explain last 0'],
        effect: 'reads',
        load: async () => (await task()).runExplain as RunCommand,
      },
    ],
  },
  ALLOC,
  {
    name: 'output-log',
    description: 'Read consolidated logs',
    args: [
      ['<path>', 'stream directory or log file'],
      ['<words...>', 'summary | jobs | show | cat JOB CHANNEL | stdout | stderr | export JOB'],
    ],
    options: () => [
      val('--job <ID>', 'only this job (default: all)', id),
      val('--channel <CHANNEL>', 'stdout or stderr (default: both)', text),
      val('--task <IDS>', 'only these tasks, in this order (default: all, by id)', text),
      opt('--allow-unfinished', 'also tasks that have not ended'),
      val('--server-uid <UID>', 'only logs of this server (default: of any, if it is one)', text),
      opt('--follow', 'go on while the log grows'),
    ],
    examples: ['hq output-log logs/job-3.log stdout --task=42', 'hq output-log logs summary', 'hq output-log logs show --follow'],
    load: async () => (await import('./commands/outputLog.ts')).runOutputLog as RunCommand,
  },
  JOURNAL,
  ...SNAKEMAKE_GROUPS,
  COMPARE,
  {
    name: 'nextflow',
    description: "Help Nextflow's built-in executor for hq",
    commands: [
      {
        // Without an effect: it is about files of the client, and no server is needed.
        name: 'config',
        description: 'Print settings with which it is quick',
        options: () => [val('--output <FILE>', 'write them into this file, which must not be there yet (default: standard output)', text)],
        examples: ['hq nextflow config --output hq.config'],
        load: async () => (await import('./commands/nextflowConfig.ts')).runConfig as RunCommand,
      },
    ],
  },
  {
    // Without an effect, because it is about the process and the machine on which it was typed, not about the server's.
    name: 'doctor',
    description: 'Check this machine and the server directory; changes nothing',
    examples: ['hq doctor', 'hq doctor --server-dir /scratch/me/hq'],
    load: async () => (await import('./commands/doctor.ts')).runDoctor as RunCommand,
  },
  CONFIG,
  DASHBOARD,
  DOC,
  GENERATE_COMPLETION,
  COMPLETE,
];
