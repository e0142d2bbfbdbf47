/** Reads and checks configuration files. Loaded where there is one; a server that runs commands for clients keeps what it has read until a file changes. */
import { readFileSync } from 'node:fs';
import { badField, firstBadField } from '../../protocol/badField.ts';
import { HqError } from '../../protocol/errors.ts';
import { parseYaml } from '../yamlText.ts';
import type { ConfigFile } from './find.ts';
import { type ConfigText, configFile } from './schema.ts';

/** A file that was read. */
export interface ReadConfig {
  readonly path: string;
  readonly text: ConfigText;
  /** @returns `PATH:LINE` of a field, as far as the line is known */
  where(field: readonly PropertyKey[]): string;
}

const known = new Map<string, { readonly stamp: string; readonly config: ReadConfig }>();

/** @throws HqError HQ_E_CONFIG with file, line and field */
export function readConfig({ path, stamp, refused }: ConfigFile): ReadConfig {
  if (refused !== '') throw fault(path, refused);
  const before = known.get(path);
  if (before?.stamp === stamp) return before.config;
  const config = parse(path);
  known.set(path, { stamp, config });
  return config;
}

function parse(path: string): ReadConfig {
  const parsed = parseYaml(textOf(path), (line, detail, cause) => fault(line === undefined ? path : `${path}:${line}`, detail, cause));
  const where = (field: readonly PropertyKey[]): string => {
    const line = parsed.lineOf(field);
    return line === undefined ? path : `${path}:${line}`;
  };
  const checked = configFile.safeParse(parsed.value ?? {});
  if (checked.success) return { path, text: checked.data, where };
  throw fault(where(firstBadField(checked.error)?.path ?? []), badField(checked.error, 'the file'));
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw fault(path, (error as Error).message, error);
  }
}

/** @param where `PATH:LINE` */
export function fault(where: string, detail: string, cause?: unknown): HqError {
  return new HqError('HQ_E_CONFIG', { where, detail }, { cause });
}
