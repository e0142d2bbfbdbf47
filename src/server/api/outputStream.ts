/**
 * Sends what a task has printed as the body of an answer, as fast as its reader takes it. Used by the handler of
 * /v1/jobs/{id}/tasks/{task}/output/{channel}.
 */
import type { ServerResponse } from 'node:http';
import { toHqError } from '../../protocol/errors.ts';
import type { OutputOptions, ServerFacade } from './facade.ts';
import type { ApiLimits } from './limits.ts';
import type { ApiLogger } from './logger.ts';
import { isOpen, takenOrClosed } from './pump.ts';

export interface OutputRequest {
  readonly jobId: number;
  readonly taskId: number;
  readonly options: Omit<OutputOptions, 'signal'>;
  readonly outgoing: ServerResponse;
  /** Aborted when the listener closes. */
  readonly closing: AbortSignal;
}

export interface OutputContext {
  readonly facade: ServerFacade;
  readonly limits: ApiLimits;
  readonly logger: ApiLogger;
}

/**
 * Begins the answer; it then lives on its own until it is complete or one side ends it. An answer that is cut off has no proper end
 * (its last chunk is missing), so that no reader takes it for all there is.
 * @throws HqError what the facade refuses; nothing has been answered then
 */
export async function sendOutput(request: OutputRequest, { facade, limits, logger }: OutputContext): Promise<void> {
  const { jobId, taskId, options, outgoing, closing } = request;
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  outgoing.once('close', stop);
  // A followed task may go on for days; any other answer may be completed while the listener waits for it.
  if (options.follow) closing.addEventListener('abort', stop);
  outgoing.once('close', () => closing.removeEventListener('abort', stop));
  if (outgoing.destroyed || (options.follow && closing.aborted)) stop();
  const pieces = await facade.taskOutput(jobId, taskId, { ...options, signal: abort.signal });
  if (!isOpen(outgoing)) return;
  outgoing.writeHead(200, {
    'content-type': 'application/octet-stream',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  // At once: of a quiet task nothing else may come for hours.
  outgoing.flushHeaders();
  void pump({ pieces, outgoing, abort, limits, logger });
}

interface Pump {
  readonly pieces: AsyncIterable<Uint8Array>;
  readonly outgoing: ServerResponse;
  readonly abort: AbortController;
  readonly limits: ApiLimits;
  readonly logger: ApiLogger;
}

/** Never rejects. */
async function pump({ pieces, outgoing, abort, limits, logger }: Pump): Promise<void> {
  try {
    for await (const piece of pieces) {
      if (!isOpen(outgoing)) break;
      if (outgoing.write(piece)) continue;
      const stalled = setTimeout(() => {
        logger.warn({ afterMs: limits.outputStallMs }, "a task's output is cut off: its reader takes nothing");
        outgoing.destroy();
      }, limits.outputStallMs);
      await takenOrClosed(outgoing);
      clearTimeout(stalled);
    }
  } catch (thrown) {
    const error = toHqError(thrown);
    const detail = { code: error.code, detail: error.message };
    if (error.code === 'HQ_E_INTERNAL') logger.error({ ...detail, err: thrown }, "a task's output could not be read");
    else logger.warn(detail, "a task's output could not be read");
    abort.abort();
  }
  if (abort.signal.aborted) outgoing.destroy();
  else outgoing.end();
}
