/**
 * The published models under their names: the components of the OpenAPI document and `docs/schema/models.json`, which the Python client
 * is generated from. Called by the OpenAPI route and by `scripts/generate.mjs`.
 */
import * as z from 'zod';
import {
  allocationInfo,
  allocationState,
  createQueue,
  modifyQueue,
  queueCreated,
  queueExplanation,
  queueInfo,
  queueObstacle,
  queueParams,
  queueWorkerOptions,
  signalBeforeEnd,
  trialAnswer,
} from '../../protocol/schema/allocation.ts';
import { backupRequest, debugDump, health, leaseEnded, pruneRequest, stopRequest } from '../../protocol/schema/control.ts';
import { errorBody } from '../../protocol/schema/error.ts';
import { eventBody, hqEvent } from '../../protocol/schema/event.ts';
import { obstacle, taskExplanation, variantExplained, waitReason, workersExplained } from '../../protocol/schema/explain.ts';
import {
  cancelAnswer,
  cancelRequest,
  createJob,
  jobDetail,
  jobInfo,
  modifyAnswer,
  modifyRequest,
  submitInfo,
  submitted,
  taskStats,
} from '../../protocol/schema/job.ts';
import { previewRequest, requestPreview, submitPreview } from '../../protocol/schema/preview.ts';
import { couplingWeight, requestSpec, resourceDescriptor, workerResources } from '../../protocol/schema/resources.ts';
import { serverInfo } from '../../protocol/schema/serverInfo.ts';
import {
  crashLimit,
  failureKind,
  graphTask,
  stdioSpec,
  submit,
  taskArray,
  taskDetail,
  taskGraph,
  taskInfo,
  taskPatch,
  taskSpec,
  taskState,
  taskUsage,
} from '../../protocol/schema/task.ts';
import { onServerLost, workerConfiguration, workerEnd, workerInfo } from '../../protocol/schema/worker.ts';

/** Name in the documents -> schema. A model that others contain is referred to by its name. */
export const MODELS = {
  requestSpec,
  stdioSpec,
  crashLimit,
  taskSpec,
  taskPatch,
  graphTask,
  taskArray,
  taskGraph,
  submit,
  createJob,
  submitted,
  previewRequest,
  requestPreview,
  submitPreview,
  taskState,
  failureKind,
  taskUsage,
  taskStats,
  submitInfo,
  jobInfo,
  jobDetail,
  taskInfo,
  taskDetail,
  obstacle,
  workersExplained,
  variantExplained,
  waitReason,
  taskExplanation,
  cancelRequest,
  cancelAnswer,
  modifyRequest,
  modifyAnswer,
  resourceDescriptor,
  couplingWeight,
  workerResources,
  onServerLost,
  workerEnd,
  workerConfiguration,
  workerInfo,
  queueWorkerOptions,
  signalBeforeEnd,
  queueParams,
  createQueue,
  modifyQueue,
  queueCreated,
  trialAnswer,
  queueInfo,
  allocationState,
  allocationInfo,
  queueObstacle,
  queueExplanation,
  serverInfo,
  eventBody,
  hqEvent,
  error: errorBody,
  stopRequest,
  debugDump,
  pruneRequest,
  backupRequest,
  leaseEnded,
  health,
} as const satisfies Record<string, z.ZodType>;
export type ModelName = keyof typeof MODELS;

/** A JSON Schema object. */
export type JsonSchema = Record<string, unknown>;

/**
 * JSON Schemas (2020-12) of all models, as a sender has to write them: a field with a default may be left out.
 * @param refPrefix what stands before a model's name in a `$ref`, e.g. `#/$defs/`
 */
export function jsonSchemas(refPrefix: string): Record<ModelName, JsonSchema> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(MODELS)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    io: 'input',
    uri: (id) => `${refPrefix}${id}`,
    override: ({ jsonSchema }) => dropSafeIntegerBounds(jsonSchema),
  });
  const named = Object.keys(MODELS).map((id) => {
    const { $schema: _dialect, $id: _uri, ...schema } = (schemas as Record<string, JsonSchema>)[id] as JsonSchema;
    return [id, schema];
  });
  return Object.fromEntries(named) as Record<ModelName, JsonSchema>;
}

/** `docs/schema/models.json`: one document with every model under `$defs`. */
export function modelsDocument(): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $comment: 'Generated from src/protocol/schema. Do not edit.',
    $defs: jsonSchemas('#/$defs/'),
  };
}

/**
 * zod bounds every integer by what a double holds exactly; said at every field it would hide the bounds that mean something.
 * @param schema of one field; changed in place
 */
export function dropSafeIntegerBounds(schema: JsonSchema): void {
  if (schema['maximum'] === Number.MAX_SAFE_INTEGER) delete schema['maximum'];
  if (schema['minimum'] === Number.MIN_SAFE_INTEGER) delete schema['minimum'];
}
