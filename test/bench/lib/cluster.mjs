/**
 * A server of the built command line in a directory of its own, with real or simulated workers, as every benchmark uses it; and the time that
 * a job takes on it.
 */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hq, inRoot } from '../../../scripts/lib/paths.mjs';
import { Trouble } from '../../../scripts/lib/text.mjs';
import { end, hasEnded, makeFolder, removeFolder, start, track } from './processes.mjs';
import { connectClient, HqError } from './product.mjs';

/** Longest wait for a server to answer, milliseconds. */
const SERVER_LIMIT_MS = 60_000;
/** Between two attempts, milliseconds: what is measured is exact to this, and trying costs the starting server little. */
const ATTEMPT_MS = 2;
/** Between two looks at something that is not measured, milliseconds. */
const POLL_MS = 20;
/** Simulated workers share this many processes: one would be busier than the server. */
const SIMULATOR_PROCESSES = 2;
const NOT_YET = new Set(['HQ_E_NO_SERVER', 'HQ_E_SERVER_UNREACHABLE', 'HQ_E_SERVER_GONE']);

export class Cluster {
  root = makeFolder();
  /** Of everything that is started here. */
  env = { ...process.env, HQ_SERVER_DIR: join(this.root, 'server') };
  /** The last server. */
  server;
  /** Connected to the last server. */
  client;
  workers = [];

  /** @returns {Promise<Cluster>} with a server that answers */
  static async start() {
    const cluster = new Cluster();
    await cluster.startServer();
    return cluster;
  }

  /** Starts a server. @returns {Promise<number>} milliseconds until it has answered a call */
  async startServer(...args) {
    const started = performance.now();
    this.server = this.spawn('server', 'start', '--host', '127.0.0.1', ...args);
    // It says when it is ready: to ask all the time until then would take from it the cores that it starts on.
    await new Promise((ready) => {
      this.server.stdout.once('data', ready);
      this.server.once('close', ready);
    });
    this.server.stdout.resume();
    for (;;) {
      const client = await this.attempt();
      if (client !== undefined) {
        this.client = client;
        return performance.now() - started;
      }
      if (hasEnded(this.server)) throw new Trouble(`the server ended: ${this.server.complaint}`);
      if (performance.now() - started > SERVER_LIMIT_MS) throw new Trouble('the server does not answer');
      await delay(ATTEMPT_MS);
    }
  }

  /** Kills the server without a word, and waits until it is gone. */
  async killServer() {
    this.client.close();
    await end(this.server, 'SIGKILL');
  }

  /** Asks the workers to leave, and waits until they have. */
  async endWorkers() {
    for (const { id } of await this.client.listWorkers()) await this.client.stopWorker(id);
    while ((await this.workerCount()) > 0) await delay(POLL_MS);
    for (const child of this.workers.splice(0)) await end(child);
  }

  /** Starts a real worker and waits until it is registered. */
  async startWorker(cpus, env = {}) {
    const before = await this.workerCount();
    this.workers.push(
      start(process.execPath, [hq, 'worker', 'start', '--cpus', String(cpus)], { env: { ...this.env, ...env }, cwd: this.root }),
    );
    await this.untilWorkers(before + 1);
  }

  /**
   * Connects simulated workers, which run nothing and take no time for it.
   * @param {{ workers: number, slots: number }} given how many, and how many tasks each runs at a time
   * @returns {Promise<Simulation>}
   */
  async simulate({ workers, slots }) {
    const before = await this.workerCount();
    const processes = Math.min(workers, SIMULATOR_PROCESSES);
    const children = Array.from({ length: processes }, (_, at) => {
      const share = Math.floor(workers / processes) + (at < workers % processes ? 1 : 0);
      return track(fork(inRoot('test/bench/lib/simulatedWorkers.mjs'), [String(share), String(slots)], { env: this.env }));
    });
    this.workers.push(...children);
    await this.untilWorkers(before + workers);
    return new Simulation(children, workers);
  }

  /**
   * Submits a job and waits for its end.
   * @param {object} tasks as in POST /v1/jobs
   * @param {object} [submit] more fields of the submit
   * @returns {Promise<number>} milliseconds from the submit to the event that tells its end
   */
  async runJob(tasks, submit = {}) {
    const events = this.client.events({ types: ['job-completed'] });
    await events.ready();
    const started = performance.now();
    const { jobId } = await this.submit(tasks, submit);
    await Promise.race([events.next(), this.broken()]);
    const elapsed = performance.now() - started;
    await events.return();
    const [{ stats, taskCount }] = await this.client.listJobs({ ids: String(jobId) });
    if (stats.finished !== taskCount) throw new Trouble(`only ${stats.finished} of ${taskCount} tasks finished`);
    return elapsed;
  }

  /** Rejects when a process of the cluster ends, because then the job might never do so. */
  broken() {
    return new Promise((_, reject) => {
      for (const child of [this.server, ...this.workers]) {
        child.removeAllListeners('broken').once('broken', () => reject(new Trouble(`a process ended: ${child.complaint ?? ''}`)));
      }
    });
  }

  submit(tasks, submit = {}) {
    return this.client.createJob({ name: 'bench', submit: { submitDir: this.root, ...submit, tasks } });
  }

  /** Ends everything and removes the directory. */
  async stop() {
    this.client.close();
    // The workers leave when the server asks them to.
    for (const child of [this.server, ...this.workers]) await end(child);
    removeFolder(this.root);
  }

  spawn(...args) {
    return start(process.execPath, [hq, ...args], { env: this.env, cwd: this.root, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  async attempt() {
    let client;
    try {
      client = await connectClient({ env: this.env });
      // A stale access file could lead to nobody else: the directory is ours.
      await client.health();
      return client;
    } catch (error) {
      client?.close();
      if (error instanceof HqError && NOT_YET.has(error.code)) return undefined;
      throw error;
    }
  }

  async workerCount() {
    return (await this.client.listWorkers()).length;
  }

  async untilWorkers(count) {
    while ((await this.workerCount()) < count) {
      const ended = this.workers.find(hasEnded);
      if (ended !== undefined) throw new Trouble(`a worker ended: ${ended.complaint ?? ''}`);
      await delay(POLL_MS);
    }
  }
}

/** The processes with the simulated workers of one cluster. */
export class Simulation {
  constructor(children, workers) {
    this.children = children;
    this.workers = workers;
  }

  /** @returns {Promise<Traffic>} frames and bytes to and from these workers since the last call, as `socketLimit` takes them */
  async traffic() {
    const counts = await Promise.all(
      this.children.map((child) => {
        child.send('traffic');
        return new Promise((done) => child.once('message', done));
      }),
    );
    const sum = (name) => counts.reduce((total, count) => total + count[name], 0);
    return { connections: this.workers, ...Object.fromEntries(Object.keys(counts[0]).map((name) => [name, sum(name)])) };
  }
}

/** N tasks that do nothing and leave nothing. */
export const nothings = (tasks) => ({ kind: 'array', ids: `1-${tasks}`, spec: { command: ['/bin/true'], stdout: null, stderr: null } });
