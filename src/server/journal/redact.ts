/** Takes the values of secret variables out of a stored submit. Used by the journal when the last task that needs them has ended. Pure. */
import type { Submit } from '../../protocol/schema/task.ts';

/** What stands in place of a secret value. */
const REDACTED = '[redacted]';

interface Variables {
  readonly env?: Record<string, string> | undefined;
  readonly secretEnv?: readonly string[] | undefined;
}

/**
 * @returns the submit with every value of a variable that is secret for some task overwritten; names stay. Shared variables of a graph are
 *   overwritten when they are secret for one of its tasks.
 */
export function redactSubmit(submit: Submit): Submit {
  const { tasks } = submit;
  if (tasks.kind === 'array') return { ...submit, tasks: { ...tasks, spec: redactEnv(tasks.spec, new Set(tasks.spec.secretEnv)) } };
  const common = new Set(tasks.shared.secretEnv);
  const all = new Set([...common, ...tasks.tasks.flatMap((task) => task.secretEnv ?? [])]);
  const each = tasks.tasks.map((task) => redactEnv(task, task.secretEnv === undefined ? common : new Set([...common, ...task.secretEnv])));
  return { ...submit, tasks: { ...tasks, shared: redactEnv(tasks.shared, all), tasks: each } };
}

/** The same with the values of the named variables overwritten; `spec` itself when it has none of them. */
export function redactEnv<T extends Variables>(spec: T, secret: ReadonlySet<string>): T {
  if (spec.env === undefined || !Object.keys(spec.env).some((name) => secret.has(name))) return spec;
  const env = Object.fromEntries(Object.entries(spec.env).map(([name, value]) => [name, secret.has(name) ? REDACTED : value]));
  return { ...spec, env };
}
