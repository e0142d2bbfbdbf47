/** `--inherit-env`: which variables of the submitting shell a task gets. Pure. */

/** What is about the shell itself or about the task in which the command runs; `HQ_…` would tell a task of another one. */
const OWN = /^(_|PWD|OLDPWD|SHLVL|HQ|HQ_.*)$/;

/** @returns a copy without what belongs to the shell alone */
export function inheritedEnv(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && !OWN.test(entry[0]));
  return Object.fromEntries(kept);
}
