/** Runs a Nextflow pipeline of a directory with the Nextflow for tests, shows its progress and keeps its output. Used by demoNextflow.mjs. */
import { createWriteStream, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { findJdk } from '../../fixtures/nextflow/machine.mjs';
import { mustRun, run } from './command.mjs';
import { progressPrinter } from './demo.mjs';
import { commandFolder, hq, inRoot, venvBin } from './paths.mjs';
import { lastLines, Trouble } from './text.mjs';

const NEXTFLOW = inRoot('fixtures/nextflow/bin/nextflow');
const SUBMITTED = /Submitted process > /;

/** No task may ask for more than the machine is to use. */
function configFor(executor, cpus) {
  const limits = `process.resourceLimits = [cpus: ${cpus}]\n`;
  return executor === 'local'
    ? `${limits}process.executor = 'local'\nexecutor { $local { cpus = ${cpus}; pollInterval = '100 ms' } }\n`
    : limits;
}

/**
 * @param {{ workdir: string, executor: string, cpus: number, tasks: number, env?: Record<string, string>, options?: readonly string[] }} o
 *   tasks: how many there will be; options: further ones of the pipeline
 * @returns {Promise<{ tasks: number, ms: number, log: string }>} tasks that Nextflow says it has submitted
 * @throws {Trouble} with the last lines of a run that has failed
 */
export async function runPipeline({ workdir, executor, cpus, tasks, env = {}, options = [] }) {
  const log = join(workdir, 'nextflow.log');
  const file = createWriteStream(log);
  const print = progressPrinter('tasks submitted');
  let submitted = 0;
  const onLine = (line) => {
    file.write(`${line}\n`);
    if (!SUBMITTED.test(line)) return;
    submitted += 1;
    print(submitted, tasks);
  };
  const tuned = await mustRun('hq nextflow config', process.execPath, [hq, 'nextflow', 'config']);
  writeFileSync(join(workdir, 'nextflow.config'), `${tuned}\n${configFor(executor, cpus)}`);
  const variables = {
    PATH: [commandFolder, process.env.PATH].join(delimiter),
    JAVA_HOME: findJdk(),
    NXF_HOME: join(workdir, '.nextflow'),
    NXF_OFFLINE: 'true',
    NXF_ANSI_LOG: 'false',
  };
  const args = ['run', 'main.nf', '--python', venvBin('python'), ...options];
  const start = performance.now();
  const result = await run(NEXTFLOW, args, { cwd: workdir, env: { ...variables, ...env }, onLine });
  file.end();
  if (result.code !== 0) throw new Trouble(`${lastLines(result.output, 40)}\nnextflow failed (exit code ${result.code}), see ${log}`);
  return { tasks: submitted, ms: performance.now() - start, log };
}
