/** What a check of `hq doctor` found. Made by the modules beside this one, shown by the renderers. */

/** `problem`: something will not work. `warning`: it works, but slower, less safely or not everywhere. */
export type Level = 'ok' | 'warning' | 'problem';

export interface Finding {
  /** Which check: words with hyphens, the same in every version. */
  readonly check: string;
  readonly level: Level;
  /** One line. */
  readonly found: string;
  /** What to do, one line; empty when there is nothing to do. */
  readonly advice: string;
}

export const ok = (check: string, found: string): Finding => ({ check, level: 'ok', found, advice: '' });
export const warning = (check: string, found: string, advice: string): Finding => ({ check, level: 'warning', found, advice });
export const problem = (check: string, found: string, advice: string): Finding => ({ check, level: 'problem', found, advice });

/** The message of anything thrown, as one line. */
export function reasonOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.trim().split('\n')[0] as string;
}
