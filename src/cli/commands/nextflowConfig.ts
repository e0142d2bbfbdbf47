/** `hq nextflow config`: settings with which Nextflow's built-in executor is quick on hq. Needs no server. */
import type { Context } from '../context.ts';
import { writeTextFile } from '../textFile.ts';

/**
 * Names and defaults are those of Nextflow 25.04 (`Session`, `TaskPollingMonitor`, `GridTaskHandler`). Defaults are made for controllers that many share: a look
 * every five seconds, 100 tasks at a time.
 */
const CONFIG = `// Nextflow's built-in executor on hq; made by \`hq nextflow config\`. Use it with: nextflow run -c FILE …, or in nextflow.config: includeConfig 'FILE'
process.executor = 'hq'

executor {
    $hq {
        // Submitted at a time: an HQ server takes far more, and what waits there starts without delay.
        queueSize = 2000
        // How often Nextflow looks whether tasks have begun and ended, in files of theirs.
        pollInterval = '500 ms'
        // How often it asks \`hq job list\` of tasks whose files say nothing. hq writes their exit codes in any case, so this is seldom of use.
        queueStatInterval = '10 s'
        // How long an exit code may take to be seen through a network file system once hq says that the task has ended.
        exitReadTimeout = '90 s'
    }
    // Submits that found no server, because it is being started again: tried for a minute and a half.
    retry {
        delay = '1 s'
        maxDelay = '30 s'
        maxAttempts = 8
    }
}
`;

/**
 * Prints the settings, or writes them into a file that is not there yet: it might be somebody's own.
 * @throws HqError HQ_E_FILE_WRITE
 */
export async function runConfig(context: Context, _args: readonly [], { output }: { readonly output?: string }): Promise<undefined> {
  if (output === undefined) await context.raw(CONFIG);
  else await writeTextFile(output, CONFIG, { cwd: context.io.cwd, flag: 'wx' });
}
