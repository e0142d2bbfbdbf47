/**
 * Checks the text of a configuration file. A file of its own in the build (scripts/lib/bundle.mjs), because of the library for schemas, which commands do without
 * where there is no configuration; so it takes and gives plain data.
 */
import { badField, firstBadField } from '../../protocol/badField.ts';
import { type ConfigText, configFile } from './schema.ts';

/** @returns the checked text, or the first field that is wrong and one line about it */
export function checkConfig(
  value: unknown,
): { readonly text: ConfigText } | { readonly field: readonly PropertyKey[]; readonly detail: string } {
  const checked = configFile.safeParse(value);
  if (checked.success) return { text: checked.data };
  return { field: firstBadField(checked.error)?.path ?? [], detail: badField(checked.error, 'the file') };
}
