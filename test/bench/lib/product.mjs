/**
 * What the benchmarks use of the product: the client, and for simulated workers the connection and the frame codec of a real one, which they
 * import from where this compiles them. Servers and workers are the built product, so that what is measured is what users run.
 */
import { compile } from '../../../scripts/lib/compile.mjs';

/** Compiled here and not by the simulated workers: several processes would write the files while others read them. */
const FOR_SIMULATED_WORKERS = ['net/connect.ts', 'protocol/messages/worker.ts', 'protocol/messages/workerCodec.ts', 'protocol/version.ts'];

const load = await compile('bench/product', ['client/client.ts', 'protocol/errors.ts', ...FOR_SIMULATED_WORKERS]);

export const { connectClient } = await load('client/client.js');
export const { HqError } = await load('protocol/errors.js');
export const { VERSION } = await load('protocol/version.js');
