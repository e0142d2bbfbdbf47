/** Runs a Snakemake workflow out of the virtual environment, shows its progress and keeps its output. Used by demo.mjs. */
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.mjs';
import { venvBin } from './paths.mjs';
import { pythonEnv } from './suites.mjs';
import { lastLines, say, Trouble } from './text.mjs';

/** How often a log that is no terminal gets a line. */
const PROGRESS_STEP_PERCENT = 25;

const DONE = /^(\d+) of (\d+) steps \((\d+)%\) done/;

/** Shows "N of M jobs": rewritten in place on a terminal, now and then elsewhere. */
function progressPrinter() {
  let shown = 0;
  return (done, total, percent) => {
    if (process.stdout.isTTY) process.stdout.write(`\r  ${done} of ${total} jobs${done === total ? '\n' : ''}`);
    else if (percent >= shown + PROGRESS_STEP_PERCENT) {
      shown = percent - (percent % PROGRESS_STEP_PERCENT);
      say(`  ${done} of ${total} jobs`);
    }
  };
}

/**
 * @param {{ workdir: string, executor: string, cpus: number, samples: number, env?: Record<string, string>,
 *   options?: readonly string[] }} o `options`: further ones of Snakemake
 * @returns {Promise<{ jobs: number, ms: number, log: string }>} jobs that Snakemake says it has done
 */
export async function runWorkflow({ workdir, executor, cpus, samples, env = {}, options = [] }) {
  const log = join(workdir, 'snakemake.log');
  const file = createWriteStream(log);
  const print = progressPrinter();
  let jobs = 0;
  const onLine = (line) => {
    file.write(`${line}\n`);
    const found = DONE.exec(line)?.slice(1).map(Number);
    if (found === undefined) return;
    jobs = found[0];
    print(...found);
  };
  // The consolidated log of all jobs, which a run without failures would not keep.
  const logs = executor === 'local' ? [] : ['--hyperqueue-keep-logs', 'always'];
  const slots = executor === 'local' ? ['--cores', String(cpus)] : ['--jobs', String(cpus)];
  const args = ['--executor', executor, ...logs, ...slots, '--max-threads', String(cpus), '--directory', workdir];
  args.push('--snakefile', join(workdir, 'Snakefile'), '--config', `samples=${samples}`, ...options);
  const start = performance.now();
  const result = await run(venvBin('snakemake'), args, { cwd: workdir, env: { ...pythonEnv(), ...env }, onLine });
  file.end();
  if (result.code !== 0) throw new Trouble(`${lastLines(result.output, 40)}\nsnakemake failed (exit code ${result.code}), see ${log}`);
  return { jobs, ms: performance.now() - start, log };
}
