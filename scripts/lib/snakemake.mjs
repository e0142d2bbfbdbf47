/** Runs a Snakemake workflow out of the virtual environment, shows its progress and keeps its output. Used by demo.mjs. */
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.mjs';
import { progressPrinter } from './demo.mjs';
import { venvBin } from './paths.mjs';
import { pythonEnv } from './suites.mjs';
import { lastLines, Trouble } from './text.mjs';

/** Jobs handed to the server for each CPU. */
const RESERVE = 8;
const DONE = /^(\d+) of (\d+) steps \(\d+%\) done/;

/**
 * @param {{ workdir: string, snakefile?: string, executor: string, cpus: number, samples: number, env?: Record<string, string>,
 *   options?: readonly string[] }} o `snakefile`: in `workdir`; `options`: further ones of Snakemake
 * @returns {Promise<{ jobs: number, ms: number, log: string }>} jobs that Snakemake says it has done
 */
export async function runWorkflow({ workdir, snakefile = 'Snakefile', executor, cpus, samples, env = {}, options = [] }) {
  const log = join(workdir, 'snakemake.log');
  const file = createWriteStream(log);
  const print = progressPrinter('jobs');
  let jobs = 0;
  const onLine = (line) => {
    file.write(`${line}\n`);
    const found = DONE.exec(line)?.slice(1).map(Number);
    if (found === undefined) return;
    jobs = found[0];
    print(jobs, found[1]);
  };
  // The consolidated log of all jobs, which a run without failures would not keep.
  const logs = executor === 'local' ? [] : ['--hyperqueue-keep-logs', 'always'];
  // More jobs than there are CPUs, so that the worker need not wait for Snakemake's next one.
  const slots = executor === 'local' ? ['--cores', String(cpus)] : ['--jobs', String(RESERVE * cpus), '--hyperqueue-cpus', String(cpus)];
  const args = ['--executor', executor, ...logs, ...slots, '--max-threads', String(cpus), '--directory', workdir];
  args.push('--snakefile', join(workdir, snakefile), '--config', `samples=${samples}`, ...options);
  const start = performance.now();
  const result = await run(venvBin('snakemake'), args, { cwd: workdir, env: { ...pythonEnv(), ...env }, onLine });
  file.end();
  if (result.code !== 0) throw new Trouble(`${lastLines(result.output, 40)}\nsnakemake failed (exit code ${result.code}), see ${log}`);
  return { jobs, ms: performance.now() - start, log };
}
