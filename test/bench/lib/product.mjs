/**
 * Everything that the benchmarks use of the product, in one place: what a client can import, and for simulated workers the connection and the
 * frame codec of a real one. It is the built product, so that what is measured is what users run.
 */
export { connectClient } from '../../../dist/client/client.js';
export { connectEndpoint } from '../../../dist/net/connect.js';
export { HqError } from '../../../dist/protocol/errors.js';
export { UPDATE_FINISHED, UPDATE_STARTED } from '../../../dist/protocol/messages/worker.js';
export { decodeToWorker, encodeFromWorker } from '../../../dist/protocol/messages/workerCodec.js';
export { PROTOCOL, VERSION } from '../../../dist/protocol/version.js';
