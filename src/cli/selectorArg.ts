/** The positional that selects jobs or workers, for the command table. */
export const SELECTOR_ARG = ['<selector>', 'last, all or ids like 1-3,7'] as const;
