/** What the demos have in common: their options, a directory to run in, and the check of the results against the known truth. */
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { run } from './command.mjs';
import { build, pipeline, venvBin } from './paths.mjs';
import { say, Trouble } from './text.mjs';

/** More would only make the largest of the short jobs wait for each other's disk. */
const MAX_DEFAULT_CPUS = 8;

/** How often a log that is no terminal gets a line. */
const PROGRESS_STEP_PERCENT = 25;

/** Of one isolate in the pipeline. */
export const JOBS_PER_SAMPLE = 11;

/**
 * @param {string} name of the script to npm
 * @param {string[]} executors the default one first
 */
export function demoUsage(name, [first, ...others]) {
  return `npm run ${name} -- [options]
  --samples N       isolates to sequence, ${JOBS_PER_SAMPLE} jobs each (default 10)
  --cpus N          jobs at the same time (default: the processors of this machine, at most ${MAX_DEFAULT_CPUS})
  --executor NAME   ${first} (default) or ${others.join(', ')}, for comparison
  --keep            keep the work directories of earlier runs`;
}

function positive(name, text) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new Trouble(`--${name} needs a whole number from 1, not ${text}`);
  return number;
}

/**
 * @param {string[]} executors the default one first
 * @returns {{ samples: number, cpus: number, executor: string, keep: boolean, help: boolean }}
 * @throws {Trouble} for a bad value
 */
export function demoOptions(executors) {
  const { values } = parseArgs({
    options: {
      samples: { type: 'string', default: '10' },
      cpus: { type: 'string', default: String(Math.min(availableParallelism(), MAX_DEFAULT_CPUS)) },
      executor: { type: 'string', default: executors[0] },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (!executors.includes(values.executor)) throw new Trouble(`--executor is ${executors.join(' or ')}, not ${values.executor}`);
  return { ...values, samples: positive('samples', values.samples), cpus: positive('cpus', values.cpus) };
}

/** A copy of the pipeline in a directory of its own below `name`, so that it can be looked at and run again by hand. */
export function makeWorkdir(name, keep) {
  const demos = join(build, name);
  if (!keep) rmSync(demos, { recursive: true, force: true });
  const workdir = join(demos, new Date().toISOString().slice(0, 19).replaceAll(':', '-'));
  mkdirSync(demos, { recursive: true });
  cpSync(pipeline, workdir, { recursive: true });
  return workdir;
}

/** @returns {Promise<boolean>} whether every result is right; says what is not */
export async function checkResults(workdir, samples) {
  const { code, output } = await run(venvBin('python'), [join(workdir, 'check.py'), workdir, '--samples', String(samples)]);
  say(`\n${output.trim()}`);
  return code === 0;
}

/** Shows "N of M …": rewritten in place on a terminal, at each quarter elsewhere. @returns called with both numbers */
export function progressPrinter(what) {
  let shown = 0;
  return (done, total) => {
    const percent = (100 * done) / total;
    if (process.stdout.isTTY) process.stdout.write(`\r  ${done} of ${total} ${what}${done === total ? '\n' : ''}`);
    else if (percent >= shown + PROGRESS_STEP_PERCENT) {
      shown = percent - (percent % PROGRESS_STEP_PERCENT);
      say(`  ${done} of ${total} ${what}`);
    }
  };
}
