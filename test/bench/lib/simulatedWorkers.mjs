/**
 * Simulated workers: registered over TLS like real ones, they answer every compute frame with the start and the end of each of its tasks,
 * never more at a time than they have slots, and run nothing. Started by cluster.mjs after product.mjs has compiled what they import; answer
 * the message 'traffic' with what they have received and sent.
 *
 * usage: simulatedWorkers.mjs WORKERS SLOTS, with HQ_SERVER_DIR
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { connectEndpoint } from '../../../build/bench/product/net/connect.js';
import { UPDATE_FINISHED, UPDATE_STARTED } from '../../../build/bench/product/protocol/messages/worker.js';
import { decodeToWorker, encodeFromWorker } from '../../../build/bench/product/protocol/messages/workerCodec.js';
import { PROTOCOL, VERSION } from '../../../build/bench/product/protocol/version.js';

/** Handshakes at a time: the server gives each one 15 s. */
const CONNECTING = 16;
/** Longer than any benchmark: their heartbeats are no part of what is measured. */
const HEARTBEAT_MS = 3_600_000;
/** A length in front of every frame. */
const HEADER_BYTES = 4;
/** What a launcher tells about a short task. */
const USAGE = { wallMs: 1.25, userMs: 0.5, systemMs: 0.5, maxRssBytes: 1_000_000, peakMemBytes: 1_000_000 };

const [count, slots] = process.argv.slice(2).map(Number);
const accessPath = join(process.env.HQ_SERVER_DIR, 'hq-current', 'worker-access.json');
const access = JSON.parse(readFileSync(accessPath, 'utf8'));

let traffic = noTraffic();
function noTraffic() {
  return { framesDown: 0, bytesDown: 0, framesUp: 0, bytesUp: 0 };
}

class SimulatedWorker {
  seq = 0;
  isLeaving = false;

  async connect() {
    this.connection = await connectEndpoint(access.worker, { accessPath });
    await new Promise((resolve) => {
      this.connection.start({ onFrame: (body) => this.onFrame(body, resolve), onClose: (reason) => this.onClose(reason) });
      this.connection.accepted();
      this.send(['hello', hello()]);
    });
  }

  /** A benchmark with fewer workers than it believes to have would measure something else. */
  onClose({ detail }) {
    if (!this.isLeaving) throw new Error(`a simulated worker lost its server: ${detail}`);
  }

  onFrame(body, welcomed) {
    traffic.framesDown += 1;
    traffic.bytesDown += HEADER_BYTES + body.length;
    const message = decodeToWorker(body);
    if (message[0] === 'compute') {
      this.seq += 1;
      this.send(['updates', this.seq, updatesOf(message[2])]);
    } else if (message[0] === 'welcome') welcomed();
    else if (message[0] === 'refused') throw new Error(message[2]);
    // The last word; the server hangs up. Nothing is ever held, so that there is nothing to cancel or to give back.
    else if (message[0] === 'stop') {
      this.isLeaving = true;
      this.send(['leaving', 'STOPPED']);
    }
  }

  send(message) {
    const body = encodeFromWorker(message);
    traffic.framesUp += 1;
    traffic.bytesUp += HEADER_BYTES + body.length;
    this.connection.send(body);
  }
}

/** As many starts as there are slots, then their ends, and so on. */
function updatesOf(tasks) {
  const nowMs = Date.now();
  const updates = [];
  for (let from = 0; from < tasks.length; from += slots) {
    const running = tasks.slice(from, from + slots);
    for (const [job, task, instance, , , variant] of running) updates.push([UPDATE_STARTED, job, task, instance, nowMs, variant]);
    for (const [job, task, instance] of running) updates.push([UPDATE_FINISHED, job, task, instance, nowMs, USAGE]);
  }
  return updates;
}

function hello() {
  return {
    protocol: [PROTOCOL.major, PROTOCOL.minor],
    role: 'worker',
    token: access.worker.token,
    serverUid: access.serverUid,
    workerId: null,
    session: randomBytes(16).toString('hex'),
    configuration: {
      resources: { resources: [{ name: 'cpus', kind: 'range', start: 0, end: slots - 1 }], coupling: { weights: [] } },
      hostname: hostname(),
      group: 'default',
      pid: process.pid,
      workDir: '/nowhere',
      heartbeatMs: HEARTBEAT_MS,
      idleTimeoutMs: null,
      timeLimitMs: null,
      startedAtMs: Date.now(),
      onServerLost: 'stop',
      minUtilization: 0,
      allocation: null,
      listenAddress: '',
      version: VERSION,
    },
    held: [],
  };
}

process.on('message', () => {
  process.send(traffic);
  traffic = noTraffic();
});
process.on('disconnect', () => process.exit(0));
process.once('SIGINT', () => process.exit(0));

let left = count;
await Promise.all(
  Array.from({ length: Math.min(count, CONNECTING) }, async () => {
    while (left > 0) {
      left -= 1;
      await new SimulatedWorker().connect();
    }
  }),
);
