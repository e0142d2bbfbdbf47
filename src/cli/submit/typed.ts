/** Collects `--cpus` and `--resource` in the order in which they are typed. Loaded with the command table, so it imports nothing. */
import type { TypedResource } from './request.ts';

export interface ResourceParsers {
  cpus(text: string): string;
  other(text: string, previous: readonly TypedResource[] | undefined): readonly TypedResource[];
}

/** @returns commander parsers of one command line; the value of `--resource` is the list of both */
export function typedResources(): ResourceParsers {
  const typed: TypedResource[] = [];
  return {
    cpus: (text) => {
      typed.push({ flag: '--cpus', text });
      return text;
    },
    other: (text, previous) => {
      // What was typed before the job of `submit-task` was collected by an earlier parser.
      if (previous !== undefined && previous !== typed) typed.unshift(...previous);
      typed.push({ flag: '--resource', text });
      return typed;
    },
  };
}
