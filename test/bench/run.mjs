/** `npm run bench`: runs the benchmarks one after the other and prints their figures. What they mean stands in docs/benchmarks.md. */
import { parseArgs } from 'node:util';
import { Interrupted } from '../../scripts/lib/command.mjs';
import { main, say, seconds, Trouble } from '../../scripts/lib/text.mjs';
import { reportJson, tableText } from './lib/figures.mjs';
import { VERSION } from './lib/product.mjs';

const USAGE = `npm run bench -- [options]
  --only NAME    run these alone, separated by commas
  --all          also the slow ones
  --rounds N     measurements of which the median counts (default 3, with --quick 1)
  --quick        small sizes, to see that everything runs; the figures say little
  --json         the last line of the output is the report as JSON, instead of tables
HQ_PEER=/path/to/hq compares with that command instead of the package hyperqueue`;

const BENCHES = {
  throughput: () => import('./throughput.mjs'),
  server: () => import('./server.mjs'),
  scheduler: () => import('./scheduler.mjs'),
  scale: () => import('./scale.mjs'),
  graph: () => import('./graph.mjs'),
  startup: () => import('./startup.mjs'),
  logs: () => import('./logs.mjs'),
  python: () => import('./python.mjs'),
  snakemake: () => import('./snakemake.mjs'),
  snakemakeJobs: () => import('./snakemakeJobs.mjs'),
  nextflow: () => import('./nextflow.mjs'),
};
/** Only when they are asked for. */
const SLOW = ['snakemake', 'snakemakeJobs', 'nextflow'];
const ROUNDS = { full: 3, quick: 1 };

function usage(message) {
  return Object.assign(new Trouble(message), { exitCode: 2 });
}

const OPTIONS = {
  only: { type: 'string', multiple: true, default: [] },
  all: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  quick: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
};

function parsed() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    throw usage(error.message);
  }
}

function readOptions() {
  const values = parsed();
  const rounds = Number(values.rounds ?? (values.quick ? ROUNDS.quick : ROUNDS.full));
  if (!Number.isInteger(rounds) || rounds < 1) throw usage(`--rounds needs a whole number from 1, not ${values.rounds}`);
  return { ...values, rounds, names: chosen(values) };
}

function chosen({ only, all }) {
  const names = only.flatMap((value) => value.split(','));
  const unknown = names.find((name) => !Object.hasOwn(BENCHES, name));
  if (unknown !== undefined) throw usage(`no benchmark is called ${unknown}: choose from ${Object.keys(BENCHES).join(', ')}`);
  if (names.length > 0) return names;
  return Object.keys(BENCHES).filter((name) => all || !SLOW.includes(name));
}

/** @returns the figures, or why there are none */
async function runOne(name, options) {
  process.stderr.write(`${name} …\n`);
  const started = performance.now();
  try {
    const { run } = await BENCHES[name]();
    const { title, figures, notes } = await run(options);
    return { name, title, figures, notes, ms: performance.now() - started };
  } catch (error) {
    if (error instanceof Interrupted) throw error;
    // A defect of one benchmark must not cost the figures of the others.
    if (!(error instanceof Trouble)) process.stderr.write(`${error.stack}\n`);
    return { name, problem: error.message };
  }
}

function print({ name, title, figures, notes, problem, ms }) {
  if (problem !== undefined) return say(`\n${name}: could not run: ${problem}`);
  say(`\n${name}: ${title} (${seconds(ms)})`);
  say(tableText(figures));
  for (const note of notes) say(`  ${note}`);
}

await main(async () => {
  const options = readOptions();
  if (options.help) {
    say(USAGE);
    return 0;
  }
  const outcomes = [];
  for (const name of options.names) {
    const outcome = await runOne(name, options);
    outcomes.push(outcome);
    if (!options.json) print(outcome);
  }
  if (options.json) say(JSON.stringify(reportJson({ ...options, version: VERSION, outcomes })));
  return outcomes.some(({ problem }) => problem !== undefined) ? 1 : 0;
});
