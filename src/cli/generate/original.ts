/**
 * The commands and options of HyperQueue 0.26, as its documentation and its own help list them, and those that the tutorial adds: what docs/compatibility.md
 * compares the command table with. Aliases of one letter stand behind a comma.
 */

const GLOBAL = '--server-dir --colors --output-mode --debug';
const SUBMIT =
  '--name --max-fails --nodes --cpus --resource --time-request --weight --pin --cwd --stdout --stderr --env --each-line --from-json --array --priority --time-limit --stream --task-dir --crash-limit --job --wait --progress --on-notify --stdin --directives';
const WORKER =
  '--cpus --resource --group --coupling --detect-resources --no-hyper-threading --idle-timeout --overview-interval --min-utilization';
const QUEUE = `--time-limit,-t --backlog,-b --max-workers-per-alloc,-m --max-worker-count --name,-n --on-server-lost --worker-start-cmd --worker-stop-cmd --worker-wrap-cmd --worker-time-limit ${WORKER}`;

/** Words after `hq` -> its options; the empty name has those of every command. */
const ORIGINAL_TEXT: Readonly<Record<string, string>> = {
  '': GLOBAL,
  'server start':
    '--host --idle-timeout --client-port --worker-port --journal --journal-flush-period --access-file --disable-client-authentication-and-encryption --disable-worker-authentication-and-encryption --scheduler-time-limit',
  'server stop': '',
  'server info': '',
  'server generate-access': '--client-file --worker-file --host --client-host --worker-host --client-port --worker-port',
  'server debug-dump': '',
  'server wait': '--timeout',
  submit: SUBMIT,
  'job list': '--all --filter --verbose',
  'job summary': '',
  'job info': '',
  'job cancel': '--reason',
  'job close': '',
  'job forget': '--filter',
  'job cat': '--tasks --task-status --print-task-header',
  'job submit': SUBMIT,
  'job submit-file': '--job',
  'job wait': '--without-close',
  'job progress': '',
  'job task-ids': '--filter',
  'job open': '--name --max-fails',
  'task list': '--tasks --task-status --verbose,-v',
  'task info': '--verbose,-v',
  'task explain': '',
  'task notify': '',
  'worker start': `${WORKER} --heartbeat --time-limit --manager --hostname --on-server-lost --work-dir --retract-check-interval`,
  'worker stop': '',
  'worker list': '--all --filter',
  'worker info': '',
  'worker address': '',
  'worker wait': '',
  'worker hwdetect': '--no-hyper-threading',
  'worker deploy-ssh': '--show-output',
  'alloc list': '',
  'alloc info': '--filter',
  'alloc log': '',
  'alloc add': `${QUEUE} --no-dry-run`,
  'alloc dry-run': QUEUE,
  'alloc pause': '',
  'alloc resume': '',
  'alloc remove': '--force',
  'journal export': '',
  'journal replay': '',
  'journal stream': '',
  'journal prune': '',
  'journal flush': '',
  'journal report': '--start-time --end-time',
  'output-log': '--server-uid --job --channel --task --allow-unfinished',
  dashboard: '',
  doc: '--open',
  'generate-completion': '',
};

/** Options and commands that the tutorial uses and the original does not have. */
const TUTORIAL_TEXT: Readonly<Record<string, string>> = {
  'job submit-task': '',
  'job info': '--tasks',
  submit: '--max-retries',
  'alloc add': '--workers-per-alloc',
};

/** One option with all its spellings. */
export type OptionNames = readonly string[];

function parsed(text: Readonly<Record<string, string>>): ReadonlyMap<string, readonly OptionNames[]> {
  const optionsOf = (words: string): OptionNames[] => (words === '' ? [] : words.split(' ').map((names) => names.split(',')));
  return new Map(Object.entries(text).map(([name, words]) => [name, optionsOf(words)]));
}

export const ORIGINAL: ReadonlyMap<string, readonly OptionNames[]> = parsed(ORIGINAL_TEXT);
export const TUTORIAL: ReadonlyMap<string, readonly OptionNames[]> = parsed(TUTORIAL_TEXT);

/** What is more than there, or other than there: `why` is a sentence for the table. */
export interface Difference {
  readonly is: 'extended' | 'different';
  readonly why: string;
}

const extended = (why: string): Difference => ({ is: 'extended', why });
const different = (why: string): Difference => ({ is: 'different', why });

/** Of what `hq journal` prints. */
const EVENTS = 'lines have `seq` in addition; of descriptions of jobs and submits only the name is told';

/** By words after `hq`, alone or with one option; options of `submit` and `alloc add` count for their other spellings, too. Others are the same. */
export const DIFFERENCES: Readonly<Record<string, Difference>> = {
  '--server-dir': extended('the directory keeps its identity over restarts'),
  '--debug': extended('also tells what lies behind an error'),
  'server start': extended('a journal always; the ports of the last start are tried first'),
  'server start --journal': different('only says where the journal lies: it is always kept, and finished jobs stay listed after a restart'),
  'server start --journal-flush-period': different(
    'at most 1 s, by default 100 ms: workers keep results that are not on disk; submits, cancels and closes are there before their answer',
  ),
  'server start --scheduler-time-limit': different('refused: no solver is used that could take long'),
  'server start --disable-client-authentication-and-encryption': different('on loopback alone'),
  'server start --disable-worker-authentication-and-encryption': different('on loopback alone'),
  'submit --cpus': extended('ranges like `2-8`'),
  'submit --resource': extended(
    'sizes like `mem=4GiB`, ranges, `gpus` for the GPUs of any vendor; a name given again begins the next variant (an error with `HQ_COMPAT=hyperqueue`)',
  ),
  'submit --weight': different('orders tasks of one priority and variants of one task; repeatable; counts in `#HQ` lines, too'),
  'submit --pin': extended('`taskset` needs no program of that name where tasks are started natively'),
  'submit --nodes': different('cannot be combined with `--resource`, which is ignored there'),
  'submit --crash-limit': different('also aborts the job after more than N failed tasks (with `HQ_COMPAT=hyperqueue` it does not)'),
  'submit --stream': different('one log per job and writing worker in a format of its own, see output-log.md'),
  'submit --from-json': extended('keeps all digits of large integers'),
  'submit --on-notify': extended('also with `--progress`; refused where nobody waits'),
  'submit --stdin': different('prints no notice on standard output'),
  'submit --directives': extended('single quotes, `--weight` and the older name `--log` are understood; `file` implies `--strict`'),
  'job info': different('one plain id is an object in JSON (always an array with `HQ_COMPAT=hyperqueue`); an unknown id ends with 1'),
  'job cancel': different('an unknown id ends with 1 (with 0 with `HQ_COMPAT=hyperqueue`)'),
  'job close': different('an unknown id ends with 1 (with 0 with `HQ_COMPAT=hyperqueue`)'),
  'job forget': extended('what was forgotten is gone from the journal, too'),
  'job open': different('prints the bare id on standard output (the sentence with `HQ_COMPAT=hyperqueue`)'),
  'job submit-file': extended('also YAML, and all that is beyond the original’s submit: job-files.md'),
  'job progress': different('plain lines off a terminal'),
  'task explain': extended('more reasons, alike workers together, what to change, and a sentence for ended tasks'),
  'task notify': extended('a message is an event that survives a restart'),
  'worker start --cpus': extended('ranges inside lists: `[[0-3],[4-7]]`'),
  'worker start --resource': extended('`name=4` without `sum(...)`, and `gpus=related[[0],[1]]` for groups with a coupling'),
  'worker start --on-server-lost': different('`reconnect` is one more choice and the default (`stop` with `HQ_COMPAT=hyperqueue`)'),
  'worker start --overview-interval': different(
    'how often the memory of tasks without a `mem` request is measured, by default every second; nothing of the node is sent to the server',
  ),
  'worker start --retract-check-interval': different('1 s by default instead of 30 s'),
  'worker start --detect-resources': extended('limits of control groups and batch jobs count; `--no-detect-resources` is `none`'),
  'server debug-dump': different('the state of this scheduler, with keys of its own'),
  'journal export': different(EVENTS),
  'journal replay': different(EVENTS),
  'journal stream': different(EVENTS),
  'server generate-access': different('other fields, with a certificate'),
  'journal report': different('a page of another look'),
  'worker stop': different('an unknown id ends with 1 (with 0 with `HQ_COMPAT=hyperqueue`)'),
  'alloc add': extended('`local`, `gridengine` and `plugin:PATH` beside `slurm` and `pbs`'),
  'alloc add --on-server-lost': different('`reconnect` is the default (`finish-running` with `HQ_COMPAT=hyperqueue`)'),
  'alloc add --overview-interval': different(
    'how often the memory of tasks without a `mem` request is measured, by default every second; nothing of the node is sent to the server',
  ),
  'alloc info': extended('why an allocation waits or has ended'),
  'alloc resume': extended('forgets what has failed'),
  'alloc remove': different('running allocations end with their tasks (refused with `HQ_COMPAT=hyperqueue`)'),
  'output-log': extended('a directory or one log file, of which the job need not be named; `--follow`; another format of files'),
  dashboard: extended('`replay` also takes the directory of a server, which may run; keys are other ones'),
  doc: different('names the pages of this project'),
  'generate-completion': different('bash, zsh and fish, with ids of live jobs and workers; not elvish and powershell'),
};

/** Spelled in another way, but the same commands with the same options. */
export const SAME_AS: Readonly<Record<string, string>> = { 'job submit': 'submit', 'alloc dry-run': 'alloc add' };
