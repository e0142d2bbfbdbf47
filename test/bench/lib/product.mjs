/**
 * Everything that the benchmarks use of the product, in one place: what a client can import, and for simulated workers the connection and the
 * frame codec of a real one. Servers and workers are the built product, so that what is measured is what users run.
 */
import { compile } from '../../../scripts/lib/compile.mjs';

const load = await compile('bench/product', [
  'client/client.ts',
  'net/connect.ts',
  'protocol/errors.ts',
  'protocol/messages/worker.ts',
  'protocol/messages/workerCodec.ts',
  'protocol/version.ts',
]);

export const { connectClient } = await load('client/client.js');
export const { connectEndpoint } = await load('net/connect.js');
export const { HqError } = await load('protocol/errors.js');
export const { UPDATE_FINISHED, UPDATE_STARTED } = await load('protocol/messages/worker.js');
export const { decodeToWorker, encodeFromWorker } = await load('protocol/messages/workerCodec.js');
export const { PROTOCOL, VERSION } = await load('protocol/version.js');
