/**
 * The Python API: functions that take no time on one worker with 2 CPUs, as forks of a warm runner and as interpreters of their own, beside the
 * package `hyperqueue`, which starts one for each; and the submit of a graph. Called by run.mjs.
 */
import { figure, growthFigure } from './lib/figures.mjs';
import { openOurs, openPeer, peerNote, perTask } from './lib/peer.mjs';
import { exponent, interleaved } from './lib/statistics.mjs';

const CPUS = 2;
/** Those that start an interpreter take so long that fewer of them tell as much. */
const FUNCTIONS = { full: { warm: 2_000, plain: 200 }, quick: { warm: 100, plain: 20 } };
const GRAPHS = { full: [10_000, 100_000], quick: [500, 5_000] };
const DEPENDENCIES = 2;
/** For the largest one. */
const SUBMIT_GOAL_MS = 3_000;
const GROWTH_GOAL = 1.05;

/** @param {{ rounds: number, quick: boolean }} options */
export async function run({ rounds, quick }) {
  const size = quick ? 'quick' : 'full';
  const [functions, graphs] = [FUNCTIONS[size], GRAPHS[size]];
  const opened = await openPeer({ cpus: CPUS });
  const ours = await openOurs({ cpus: CPUS });
  // Nothing runs where graphs are submitted to.
  const idle = await openOurs({ cpus: 0 });
  const idlePeer = await openPeer({ cpus: 0 });
  try {
    const measures = functionMeasures(functions, ours, opened.peer);
    for (const tasks of graphs) {
      measures[`graph ${tasks}`] = () => idle.submit(tasks, graphOf(tasks));
      if (idlePeer.peer !== undefined) measures[`peer graph ${tasks}`] = () => idlePeer.peer.submit(tasks, graphOf(tasks));
    }
    const samples = await interleaved(rounds, measures);
    return {
      title: `${functions.warm} functions, one worker with ${CPUS} CPUs; graphs with ${DEPENDENCIES} dependencies per task`,
      figures: [...functionFigures(samples, opened.peer), ...graphFigures(samples, graphs, opened.peer)],
      notes: [peerNote(opened)],
    };
  } finally {
    for (const one of [opened.peer, ours, idle, idlePeer.peer]) await one?.stop();
  }
}

function functionMeasures({ warm, plain }, ours, peer) {
  const measures = {
    warm: async () => perTask(await ours.run({ tasks: warm, functions: true }), warm),
    plain: async () => perTask(await ours.run({ tasks: plain, functions: true, start: { warm: false } }), plain),
  };
  if (peer !== undefined) measures['peer functions'] = async () => perTask(await peer.run({ tasks: plain, functions: true }), plain);
  return measures;
}

/** @returns {number[][]} for each task, counted from 0, those it depends on */
function graphOf(tasks) {
  return Array.from({ length: tasks }, (_, task) => Array.from({ length: Math.min(task, DEPENDENCIES) }, (_, at) => task - 1 - at));
}

function functionFigures(samples, peer) {
  const line = (name, of, o = {}) => figure(samples, { name, of, unit: 'ms per function', ...o });
  const limit = samples.has('peer functions') ? { name: 'package', of: 'peer functions' } : { name: 'without', of: 'plain' };
  const figures = [
    line('warm runner', 'warm', { limit, goal: { max: 0.1, of: 'ratio' } }),
    line('  without warm runner', 'plain', { limit }),
  ];
  if (samples.has('peer functions')) figures.push(line(`  ${peer.name}`, 'peer functions'));
  return figures;
}

function graphFigures(samples, graphs, peer) {
  const largest = graphs.at(-1);
  const line = (kind, name, tasks, o = {}) => figure(samples, { name, of: `${kind}graph ${tasks}`, unit: 'ms', ...o });
  const goalOf = (tasks) => (tasks === largest ? { max: SUBMIT_GOAL_MS, of: 'value' } : undefined);
  const figures = graphs.map((tasks) =>
    line('', `submit of a graph of ${tasks}`, tasks, { peer: `peer graph ${tasks}`, goal: goalOf(tasks) }),
  );
  const value = exponent(graphs.map((tasks) => [tasks, samples.median(`graph ${tasks}`)]));
  figures.push(growthFigure({ name: '  growth (exponent)', value, goal: { max: GROWTH_GOAL, of: 'value' } }));
  if (samples.has(`peer graph ${largest}`)) figures.push(line('peer ', `  ${peer.name}, ${largest}`, largest));
  return figures;
}
