/**
 * Which launcher a worker would use on this machine, tried with a real process. Called by `hq doctor`, which needs no server; control groups are
 * tried with the same process.
 */
import { existsSync } from 'node:fs';
import { BUILT_PATH, chooseLauncher } from './executor/chooseLauncher.ts';
import type { Launcher } from './executor/launcher.ts';
import { NodeLauncher } from './executor/nodeLauncher.ts';
import type { TaskEnd } from './heldTask.ts';

/** The fastest of so many counts: the first one also loads the program. */
const RUNS = 5;
/** A process that does nothing takes milliseconds; a hanging file system must not keep the command, milliseconds. */
const RUN_LIMIT_MS = 10_000;

export interface LauncherProbe {
  readonly kind: 'native' | 'node';
  /** Null when it was chosen freely, else why the native one is not used. */
  readonly why: 'asked-for' | 'not-built' | { readonly unusable: string } | null;
  readonly path: string;
  /** From the launch of `true` to its end, milliseconds. */
  readonly fastestMs: number;
}

export interface LauncherProbeOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** An empty directory, for files of running tasks. */
  readonly directory: string;
  /** hqspawn; default: where the build puts it. */
  readonly path?: string | undefined;
}

/**
 * @throws HqError HQ_E_USAGE for a wrong HQ_LAUNCHER, and for `native` when it cannot be had
 * @throws Error when `true` does not run, with the reason
 */
export async function probeLauncher({ env, directory, path = BUILT_PATH }: LauncherProbeOptions): Promise<LauncherProbe> {
  const setting = env.HQ_LAUNCHER;
  const warnings: string[] = [];
  let broken = '';
  const launcher = await chooseLauncher({
    setting,
    directory,
    path,
    warn: (line) => warnings.push(line),
    onBroken: (why) => {
      broken = why;
    },
  });
  try {
    let fastestMs = Number.POSITIVE_INFINITY;
    for (let run = 0; run < RUNS; run += 1) {
      const startMs = performance.now();
      const end = await runTrue(launcher, { searchPath: env.PATH ?? '', controlGroup: null });
      if (end.kind !== 'exit' || end.code !== 0) throw new Error(broken || endText(end));
      fastestMs = Math.min(fastestMs, performance.now() - startMs);
    }
    return {
      kind: launcher instanceof NodeLauncher ? 'node' : 'native',
      why: whyOf(launcher, setting, { path, warnings }),
      path,
      fastestMs,
    };
  } finally {
    await launcher.close();
  }
}

function whyOf(launcher: Launcher, setting: string | undefined, o: { path: string; warnings: readonly string[] }): LauncherProbe['why'] {
  if (!(launcher instanceof NodeLauncher)) return null;
  if (setting === 'node') return 'asked-for';
  return existsSync(o.path) ? { unusable: o.warnings.join('; ') } : 'not-built';
}

/**
 * Runs a program that does nothing.
 * @param o searchPath: variable PATH; controlGroup: as in `LaunchSpec`
 * @returns how it ended; `internal` when it does not end within 10 s
 */
export async function runTrue(launcher: Launcher, o: { searchPath: string; controlGroup: string | null }): Promise<TaskEnd> {
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<TaskEnd>((resolve) => {
      const handle = launcher.launch(
        {
          command: ['true'],
          env: { shared: { PATH: o.searchPath }, common: {}, own: {} },
          cwd: '/',
          stdin: null,
          controlGroup: o.controlGroup,
          stdout: { kind: 'null' },
          stderr: { kind: 'null' },
        },
        { group: 0, vars: {}, cpus: null },
        ({ end }) => resolve(end),
      );
      timer = setTimeout(() => {
        handle.signalGroup('SIGKILL');
        resolve({ kind: 'internal', error: `'true' has not ended after ${RUN_LIMIT_MS / 1_000} s` });
      }, RUN_LIMIT_MS);
    });
  } finally {
    clearTimeout(timer);
  }
}

function endText(end: TaskEnd): string {
  switch (end.kind) {
    case 'exit':
      return `'true' ended with exit code ${end.code}`;
    case 'signal':
      return `'true' was ended by ${end.signal}`;
    default:
      return end.error;
  }
}
