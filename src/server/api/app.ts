/**
 * The HTTP API: mounts the route table on a facade. Works on Node's own requests and answers, because the classes of `fetch` would cost a starting server
 * 40 ms. Knows nothing of sockets and tokens (`listen.ts`, `guard.ts`). Called by the server's main function and by the tests.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import findMyWay, { type HTTPMethod } from 'find-my-way';
import * as z from 'zod';
import { badField } from '../../protocol/badField.ts';
import { HqError, toHqError } from '../../protocol/errors.ts';
import { sendError, sendJson } from './answers.ts';
import { readJsonBody } from './body.ts';
import { EventStreams, type StreamContext } from './eventStream.ts';
import type { ServerFacade } from './facade.ts';
import { type ApiLimits, DEFAULT_LIMITS } from './limits.ts';
import type { ApiLogger } from './logger.ts';
import { openApiDocument } from './openapi.ts';
import { sendOutput } from './outputStream.ts';
import type { Route } from './route.ts';
import { ROUTES, type RouteAnswer, type RouteInput, type RouteName } from './routes.ts';

/** One request and its answer, as a listener hands them over. */
export interface ApiExchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  /** Aborted when the listener closes: event streams end. */
  readonly closing: AbortSignal;
}
/** Answers; never rejects. */
export type ApiApp = (exchange: ApiExchange) => Promise<void>;

/** What a handler returns that answers by itself. */
const SENT = Symbol('sent');
/** Routes without a query refuse every parameter: none is silently ignored. */
const NO_QUERY = z.strictObject({});
/** Longest text in the place of a parameter of a path; what is longer is no id. */
const PARAMETER_MAX_CHARS = 500;

/** One handler per route. */
type Handlers = {
  readonly [Name in RouteName]: (
    input: RouteInput<Name>,
    exchange: ApiExchange,
  ) => Promise<RouteAnswer<Name> | typeof SENT | JsonText> | RouteAnswer<Name> | typeof SENT | JsonText;
};

/** An answer that is JSON already. */
interface JsonText {
  readonly json: string;
}

/**
 * @param facade  answers the calls
 * @param options.limits `bodyBytes` and the event times are used here, the others by the listener
 */
export function createApi(facade: ServerFacade, options: { logger: ApiLogger; limits?: Partial<ApiLimits> }): ApiApp {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const router = findMyWay({ maxParamLength: PARAMETER_MAX_CHARS, querystringParser: allValues });
  const streams = new EventStreams({ facade, limits, logger: options.logger });
  const handlers = makeHandlers({ facade, limits, logger: options.logger }, streams);
  for (const name of Object.keys(ROUTES) as RouteName[]) {
    const mounted: Mounted = { route: ROUTES[name], handler: handlers[name] as AnyHandler };
    router.on(methodOf(mounted.route), routerPath(mounted.route.path), NO_HANDLER, mounted);
  }
  return async (exchange) => {
    const { incoming, outgoing } = exchange;
    const { method = '', url = '' } = incoming;
    try {
      const found = router.find(method as HTTPMethod, pathOf(incoming));
      if (found === null) throw noRoute(router, method, url);
      await answer(exchange, { ...(found.store as Mounted), params: found.params, query: found.searchParams, limits });
    } catch (thrown) {
      const error = toHqError(thrown);
      const where = { method, path: withoutQuery(url), code: error.code };
      if (error.code === 'HQ_E_INTERNAL') options.logger.error({ ...where, err: thrown }, 'a request failed');
      else options.logger.debug({ ...where, detail: error.message }, 'a request was refused');
      sendError(outgoing, error, error.code === 'HQ_E_METHOD' ? { allow: String(error.data['allowed']) } : {});
    }
  };
}

function makeHandlers(context: StreamContext, streams: EventStreams): Handlers {
  const { facade } = context;
  return {
    health: () => ({ status: 'ok' }),
    openApi: () => ({ json: JSON.stringify(openApiDocument()) }),
    serverInfo: () => facade.serverInfo(),
    stopServer: ({ body }) => facade.stopServer(body),
    debugDump: () => facade.debugDump(),
    flushJournal: () => facade.journal.flush(),
    pruneJournal: ({ body }) => facade.journal.prune(body),
    backupJournal: ({ body }) => facade.journal.backup(body),
    createJob: ({ body }) => facade.createJob(body),
    listJobs: ({ query }) =>
      facade.listJobs({
        live: query.live,
        ...(query.ids !== undefined && { ids: query.ids }),
        ...(query.label !== undefined && { labels: query.label }),
      }),
    jobDetail: ({ params }) => facade.jobDetail(params.id),
    forgetJob: ({ params }) => facade.forgetJob(params.id),
    submitTasks: ({ params, body }) => facade.submitTasks(params.id, body),
    previewSubmit: ({ body }) => facade.previewSubmit(body),
    closeJob: ({ params }) => facade.closeJob(params.id),
    modifyJob: ({ params, body }) => facade.modifyJob(params.id, body),
    cancel: ({ params, body }) => facade.cancel(params.id, body),
    listTasks: ({ params, query }) => facade.listTasks(params.id, query),
    taskDetail: ({ params }) => facade.taskDetail(params.id, params.task),
    explainTask: ({ params }) => facade.explainTask(params.id, params.task),
    taskOutput: async ({ params, query }, { outgoing, closing }) => {
      const options = { channel: params.channel, follow: query.follow, tailBytes: query.tail };
      await sendOutput({ jobId: params.id, taskId: params.task, options, outgoing, closing }, context);
      return SENT;
    },
    listWorkers: ({ query }) => facade.listWorkers({ all: query.all }),
    workerInfo: ({ params }) => facade.workerInfo(params.id),
    stopWorker: ({ params }) => facade.stopWorker(params.id),
    createQueue: ({ body }) => facade.queues.create(body),
    tryQueue: ({ body }) => facade.queues.trial(body),
    listQueues: () => facade.queues.list(),
    queueAllocations: ({ params }) => facade.queues.allocations(params.id),
    allocation: ({ params }) => facade.queues.allocation(params.id),
    explainQueue: ({ params }) => facade.queues.explain(params.id),
    modifyQueue: ({ params, body }) => facade.queues.modify(params.id, body),
    pauseQueue: ({ params }) => facade.queues.pause(params.id),
    resumeQueue: ({ params }) => facade.queues.resume(params.id),
    removeQueue: ({ params, query }) => facade.queues.remove(params.id, query),
    endLease: ({ params }) => ({ ended: streams.endLease(params.lease) }),
    events: ({ query }, { incoming, outgoing, closing }) => {
      const after = lastEventId(incoming) ?? query.after;
      const filter = {
        follow: query.follow,
        ...(after !== undefined && { after }),
        ...(query.jobs !== undefined && { jobIds: query.jobs }),
        ...(query.types !== undefined && { types: query.types }),
        ...(query.lease !== undefined && { lease: query.lease }),
      };
      streams.open({ filter, gatherMs: query.gatherMs, outgoing, closing });
      return SENT;
    },
  };
}

/** Browsers send it when they reconnect by themselves, with the old query; so it has precedence. */
function lastEventId({ headers }: IncomingMessage): number | undefined {
  const text = headers['last-event-id'];
  if (text === undefined || text === '') return undefined;
  if (typeof text !== 'string' || !/^\d{1,15}$/.test(text))
    throw new HqError('HQ_E_REQUEST', { detail: 'Last-Event-ID is not a sequence number' });
  return Number(text);
}

type AnyHandler = (input: { params: unknown; query: unknown; body: unknown }, exchange: ApiExchange) => unknown;

interface Mounted {
  readonly route: Route;
  readonly handler: AnyHandler;
}

interface Matched extends Mounted {
  readonly params: unknown;
  readonly query: unknown;
  readonly limits: ApiLimits;
}

async function answer(exchange: ApiExchange, { route, handler, limits, ...given }: Matched): Promise<void> {
  const params = route.params && checked(route.params, given.params);
  const query = checked(route.query ?? NO_QUERY, given.query);
  const body =
    route.body &&
    (await readJsonBody(exchange.incoming, { model: route.body, optional: route.bodyOptional ?? false, limitBytes: limits.bodyBytes }));
  const result = await handler({ params, query, body }, exchange);
  if (result === SENT) return;
  const text = route.status === 204 ? null : route.answer === null ? (result as JsonText).json : JSON.stringify(result);
  sendJson(exchange.outgoing, route.status, text);
}

function checked(schema: z.ZodObject, values: unknown): unknown {
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  throw new HqError('HQ_E_REQUEST', { detail: badField(result.error, 'the query') });
}

/** @returns the address with its query. @throws HqError HQ_E_REQUEST for what is no address */
function pathOf({ url = '', headers: { host } }: IncomingMessage): string {
  if (!url.startsWith('/') || url.includes('\\') || !isDecodable(withoutQuery(url)) || /[\s/@?#\\]/.test(host ?? ''))
    throw new HqError('HQ_E_REQUEST', { detail: 'the address or the Host header of the request is not valid' });
  return url;
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

const withoutQuery = (url: string): string => url.replace(/[?#].*$/s, '');

/** @returns every parameter with all its values, so that none that is given twice is silently dropped */
function allValues(text: string): Record<string, string[]> {
  const query = new URLSearchParams(text);
  return Object.fromEntries([...new Set(query.keys())].map((name) => [name, query.getAll(name)]));
}

function noRoute(router: Router, method: string, url: string): HqError {
  const methods = new Set(Object.values(ROUTES).map(methodOf));
  const allowed = [...methods].filter((other) => router.find(other, url) !== null).join(', ');
  const path = withoutQuery(url);
  return allowed === '' ? new HqError('HQ_E_ROUTE', { path }) : new HqError('HQ_E_METHOD', { method, path, allowed });
}

type Router = ReturnType<typeof findMyWay>;
/** The router only finds; what it found is in the store. */
const NO_HANDLER = (): void => {};

const methodOf = (route: Route): HTTPMethod => route.method.toUpperCase() as HTTPMethod;
/** `/v1/jobs/{id}` -> `/v1/jobs/:id` */
const routerPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');
