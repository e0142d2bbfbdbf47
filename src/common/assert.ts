/** Compile-time and run-time checks for states that cannot happen. Used by every layer. */

/**
 * Marks the default branch of an exhaustive switch.
 * @throws Error always; reaching it is a defect.
 */
export function assertNever(value: never, what = 'value'): never {
  throw new Error(`unexpected ${what}: ${JSON.stringify(value)}`);
}

/**
 * @throws Error with `message` when `condition` is false; a defect, never a user's mistake.
 */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}
