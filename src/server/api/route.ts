/** What a route of the API is, for the route tables and for what is made out of them. */
import type * as z from 'zod';
import type { ErrorCode } from '../../protocol/errors.ts';
import type { ModelName } from './models.ts';

export interface Route {
  readonly method: 'get' | 'post' | 'delete';
  /** OpenAPI form: `/v1/jobs/{id}`. */
  readonly path: string;
  readonly summary: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  /** Model of the JSON body; `bodyOptional`: an empty body means `{}`. */
  readonly body?: ModelName;
  readonly bodyOptional?: boolean;
  readonly status: 200 | 201 | 204;
  /** Model of the answer; `[]` an array of it; null for none (204) or for answers that are no model. */
  readonly answer: ModelName | readonly [ModelName] | null;
  /** Errors beyond those that every route can give. */
  readonly errors: readonly ErrorCode[];
}
