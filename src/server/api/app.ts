/**
 * The HTTP API as a Hono application: mounts the route table on a facade. Knows nothing of sockets and tokens (`listen.ts`, `guard.ts`).
 * Called by the server's main function and by the tests.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import * as z from 'zod';
import { badField } from '../../protocol/badField.ts';
import { HqError, toHqError } from '../../protocol/errors.ts';
import { errorResponse } from './answers.ts';
import { readJsonBody } from './body.ts';
import { EventStreams, type StreamContext } from './eventStream.ts';
import type { ServerFacade } from './facade.ts';
import { type ApiLimits, DEFAULT_LIMITS } from './limits.ts';
import type { ApiLogger } from './logger.ts';
import { openApiDocument } from './openapi.ts';
import { sendOutput } from './outputStream.ts';
import { ROUTES, type Route, type RouteAnswer, type RouteInput, type RouteName } from './routes.ts';

/** What a listener hands over with each request. */
export interface ApiBindings {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  /** Aborted when the listener closes: event streams end. */
  readonly closing: AbortSignal;
}
export type ApiApp = Hono<{ Bindings: ApiBindings }>;
/** Routes without a query refuse every parameter: none is silently ignored. */
const NO_QUERY = z.strictObject({});
type ApiContext = Context<{ Bindings: ApiBindings }>;

/** One handler per route; returning a `Response` bypasses the JSON answer. */
type Handlers = {
  readonly [Name in RouteName]: (
    input: RouteInput<Name>,
    context: ApiContext,
  ) => Promise<RouteAnswer<Name> | Response> | RouteAnswer<Name> | Response;
};

/**
 * @param facade  answers the calls
 * @param options.limits `bodyBytes` and the event times are used here, the others by the listener
 */
export function createApi(facade: ServerFacade, options: { logger: ApiLogger; limits?: Partial<ApiLimits> }): ApiApp {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const app: ApiApp = new Hono();
  app.use(async (c, next) => {
    // Hono answers HEAD with GET's handler, which would start an endless event stream without a body.
    if (c.req.method === 'HEAD') return methodError(c);
    return await next();
  });
  const streams = new EventStreams({ facade, limits, logger: options.logger });
  const handlers = makeHandlers({ facade, limits, logger: options.logger }, streams);
  for (const name of Object.keys(ROUTES) as RouteName[]) mount(app, { route: ROUTES[name], handler: handlers[name] as AnyHandler, limits });
  for (const path of new Set(Object.values(ROUTES).map((route) => route.path))) app.all(honoPath(path), methodError);
  app.notFound((c) => errorResponse(new HqError('HQ_E_ROUTE', { path: c.req.path })));
  app.onError((thrown, c) => {
    const error = toHqError(thrown);
    const where = { method: c.req.method, path: c.req.path, code: error.code };
    if (error.code === 'HQ_E_INTERNAL') options.logger.error({ ...where, err: thrown }, 'a request failed');
    else options.logger.debug({ ...where, detail: error.message }, 'a request was refused');
    return errorResponse(error);
  });
  return app;
}

function makeHandlers(context: StreamContext, streams: EventStreams): Handlers {
  const { facade } = context;
  return {
    health: () => ({ status: 'ok' }),
    openApi: (_input, c) => c.json(openApiDocument()),
    serverInfo: () => facade.serverInfo(),
    stopServer: ({ body }) => facade.stopServer(body),
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
    closeJob: ({ params }) => facade.closeJob(params.id),
    cancel: ({ params, body }) => facade.cancel(params.id, body),
    listTasks: ({ params, query }) => facade.listTasks(params.id, query),
    taskDetail: ({ params }) => facade.taskDetail(params.id, params.task),
    explainTask: ({ params }) => facade.explainTask(params.id, params.task),
    taskOutput: async ({ params, query }, c) => {
      const options = { channel: params.channel, follow: query.follow, tailBytes: query.tail };
      await sendOutput({ jobId: params.id, taskId: params.task, options, outgoing: c.env.outgoing, closing: c.env.closing }, context);
      return RESPONSE_ALREADY_SENT;
    },
    listWorkers: ({ query }) => facade.listWorkers({ all: query.all }),
    workerInfo: ({ params }) => facade.workerInfo(params.id),
    stopWorker: ({ params }) => facade.stopWorker(params.id),
    endLease: ({ params }) => ({ ended: streams.endLease(params.lease) }),
    events: ({ query }, c) => {
      const after = lastEventId(c) ?? query.after;
      const filter = {
        follow: query.follow,
        ...(after !== undefined && { after }),
        ...(query.jobs !== undefined && { jobIds: query.jobs }),
        ...(query.types !== undefined && { types: query.types }),
        ...(query.lease !== undefined && { lease: query.lease }),
      };
      streams.open({ filter, outgoing: c.env.outgoing, closing: c.env.closing });
      return RESPONSE_ALREADY_SENT;
    },
  };
}

/** Browsers send it when they reconnect by themselves, with the old query; so it has precedence. */
function lastEventId(c: ApiContext): number | undefined {
  const text = c.req.header('last-event-id');
  if (text === undefined || text === '') return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new HqError('HQ_E_REQUEST', { detail: 'Last-Event-ID is not a sequence number' });
  return Number(text);
}

type AnyHandler = (input: { params: unknown; query: unknown; body: unknown }, context: ApiContext) => unknown;

function mount(app: ApiApp, { route, handler, limits }: { route: Route; handler: AnyHandler; limits: ApiLimits }): void {
  app.on(route.method.toUpperCase(), honoPath(route.path), async (c) => {
    const params = route.params && checked(route.params, c.req.param());
    const query = checked(route.query ?? NO_QUERY, c.req.queries());
    const body =
      route.body &&
      (await readJsonBody(c.env.incoming, { model: route.body, optional: route.bodyOptional ?? false, limitBytes: limits.bodyBytes }));
    const answer = await handler({ params, query, body }, c);
    if (answer instanceof Response) return answer;
    return route.status === 204 ? c.body(null, 204) : c.json(answer as object, route.status);
  });
}

function checked(schema: z.ZodObject, values: unknown): unknown {
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  throw new HqError('HQ_E_REQUEST', { detail: badField(result.error, 'the query') });
}

function methodError(c: ApiContext): Response {
  const matches = (path: string) => new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`).test(c.req.path);
  const allowed = Object.values(ROUTES)
    .filter((route) => matches(route.path))
    .map((route) => route.method.toUpperCase())
    .join(', ');
  if (allowed === '') return errorResponse(new HqError('HQ_E_ROUTE', { path: c.req.path }));
  return errorResponse(new HqError('HQ_E_METHOD', { method: c.req.method, path: c.req.path, allowed }), { allow: allowed });
}

/** `/v1/jobs/{id}` -> `/v1/jobs/:id` */
const honoPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');
