/** Which tasks can be started by the same warm runner. Pure; called by `WarmLauncher`. */
import { createHash } from 'node:crypto';
import type { WarmSpec } from '../../protocol/schema/task.ts';
import type { Lane, LaunchSpec } from './launcher.ts';

/** What differs from task to task, or tells which devices it has got: nothing that the start of a program depends on. */
const OF_ONE_TASK = /^HQ_|_VISIBLE_DEVICES$/;

type Variables = Readonly<Record<string, string>>;

/** Texts of environments that are the same objects for very many tasks. */
const known = new WeakMap<Variables, string>();

/** @returns the whole environment but for what belongs to one task; what acts when a program starts (`PYTHON…`, `LD_…`, `LANG`, `TZ`) is in it */
export function warmEnvironment({ env }: LaunchSpec, lane: Lane): Record<string, string> {
  const vars: Record<string, string> = {};
  for (const from of [env.shared, lane.vars, env.common, env.own])
    for (const name in from) if (!OF_ONE_TASK.test(name)) vars[name] = from[name] as string;
  return vars;
}

/** @returns a short text that is the same exactly for tasks that ask for the same in one directory and environment */
export function warmKey(warm: WarmSpec, spec: LaunchSpec, lane: Lane): string {
  const hash = createHash('sha1').update(JSON.stringify([warm, spec.cwd]));
  const { shared, common, own } = spec.env;
  return hash.update(knownText(shared)).update(textOf(lane.vars)).update(knownText(common)).update(textOf(own)).digest('base64');
}

function knownText(vars: Variables): string {
  let text = known.get(vars);
  if (text === undefined) {
    text = textOf(vars);
    known.set(vars, text);
  }
  return text;
}

function textOf(vars: Variables): string {
  return JSON.stringify(Object.entries(vars).filter(([name]) => !OF_ONE_TASK.test(name)));
}
