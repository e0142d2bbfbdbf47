/**
 * The job script, and the options of qsub that do not stand in it. Pure; used by `gridEngine.ts`. Facts: man pages qsub(1), sge_pe(5), and what Grid
 * Engine 8.1.9 does.
 */
import type { BatchHost, SubmitRequest } from '../../../../src/server/autoalloc/batchSystem.ts';

/** Of the job's context; carries our comment. */
export const COMMENT_VARIABLE = 'HQ_ALLOCATION_COMMENT';

export const NAME = 'gridengine';

/**
 * @returns the script
 * @throws the host's `refused`
 */
export function jobScript(request: SubmitRequest, host: BatchHost): string {
  host.checkRequest(request);
  const { name, directory, extraArgs, nodes, timeLimitMs } = request;
  // qsub takes a path for a list of HOST:PATH, and replaces variables in it.
  if (/[,:$]/.test(directory)) throw host.error('refused', `a path must not contain a comma, a colon or a dollar sign: ${directory}`);
  if (nodes > 1 && !extraArgs.includes('-pe'))
    throw host.error('refused', `${nodes} nodes need a parallel environment of the site: give -pe NAME SLOTS after --`);
  const word = (text: string): string => host.directiveWord(text, (special) => quoted(special, host));
  const seconds = Math.ceil(timeLimitMs / 1_000);
  const directives = [
    '-S /bin/bash',
    `-N ${word(name)}`,
    `-wd ${word(directory)}`,
    `-o ${word(`${directory}/stdout`)}`,
    `-e ${word(`${directory}/stderr`)}`,
    `-l h_rt=${seconds}`,
    ...(extraArgs.length === 0 ? [] : [extraArgs.map(word).join(' ')]),
  ];
  const node = host.workerCommand(request.worker);
  return [
    '#!/bin/bash',
    ...directives.map((line) => `#$ ${line}`),
    '',
    `export HQ_ALLOCATION_MANAGER=${NAME} HQ_ALLOCATION_ID="$JOB_ID" HQ_ALLOCATION_END="$(($(date +%s) + ${seconds}))"`,
    `if [ "$NHOSTS" != ${nodes} ]; then`,
    `  echo "the job was to have ${nodes} nodes and has $NHOSTS: the parallel environment decides that" >&2`,
    '  exit 1',
    'fi',
    ...(nodes === 1 ? ['export HQ_ALLOCATION_CPUS="$NSLOTS"', node] : onEachNode(node)),
    '',
  ].join('\n');
}

/**
 * The job runs on the first host of the list. qrsh starts on another what the engine then counts, limits and ends as a part of the job; its words
 * pass a second shell there. Programs of the engine need not be on the PATH of jobs.
 */
function onEachNode(node: string): string[] {
  const shell = `bash -c ${shellWord(node)}`;
  return [
    'export PATH="$PATH:$SGE_BINARY_PATH"',
    'workers=()',
    'while read -r host slots _; do',
    '  export HQ_ALLOCATION_CPUS="$slots"',
    `  if [ "\${#workers[@]}" = 0 ]; then`,
    `    ${shell} </dev/null &`,
    '  else',
    '    variables=HQ_ALLOCATION_MANAGER,HQ_ALLOCATION_ID,HQ_ALLOCATION_END,HQ_ALLOCATION_CPUS',
    `    qrsh -inherit -nostdin -v "$variables" "$host" ${shellWord(shell)} </dev/null &`,
    '  fi',
    '  workers+=("$!")',
    'done <"$PE_HOSTFILE"',
    'status=0',
    `for worker in "\${workers[@]}"; do wait "$worker" || status=$?; done`,
    'exit "$status"',
  ];
}

/**
 * On the command line, which goes before directives and before the defaults of site and user (`sge_request`). Not to be run again under the same id:
 * whether there is still work for it is decided by hq-bridge; unless the user says `-r`.
 */
export function submitOptions({ comment, extraArgs, held }: SubmitRequest): string[] {
  return [
    '-terse',
    '-b',
    'n',
    '-ac',
    `${COMMENT_VARIABLE}=${comment}`,
    ...(extraArgs.includes('-r') ? [] : ['-r', 'n']),
    ...(held ? ['-h'] : []),
  ];
}

/** In a directive, where a quote within quotes is dropped and `#` ends the line whatever is around it. */
function quoted(text: string, host: BatchHost): string {
  if (/["'#]/.test(text)) throw host.error('refused', `Grid Engine takes no quotes and no # in the directives of a script: ${text}`);
  return `"${text}"`;
}

/** @returns one word of a shell that interprets nothing of it */
function shellWord(text: string): string {
  return `'${text.split("'").join(`'\\''`)}'`;
}
