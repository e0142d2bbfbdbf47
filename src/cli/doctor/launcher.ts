/** Check of what starts tasks on this machine: the launcher itself, and whether there is a C compiler to build it with. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { briefRun, firstLine } from '../../common/briefRun.ts';
import type { LauncherProbe } from '../../worker/launcherProbe.ts';
import { type Finding, ok, problem, reasonOf, warning } from './finding.ts';

/** Milliseconds; a compiler answers at once, a module system in front of it may not. */
const COMPILER_TIMEOUT_MS = 10_000;

export interface LauncherCheckOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Parent of a directory that is made and removed again. */
  readonly tmpDir: string;
  /** hqspawn; default: where the build puts it. */
  readonly path?: string | undefined;
}

/** Starts the launcher that a worker would use and runs `true` through it. */
export async function checkLauncher({ env, tmpDir, path }: LauncherCheckOptions): Promise<Finding[]> {
  const compiler = await findCompiler(env);
  const { probeLauncher } = await import('../../worker/launcherProbe.ts');
  let directory: string | undefined;
  try {
    directory = mkdtempSync(join(tmpDir, 'hq-doctor'));
    const probe = await probeLauncher({ env, directory, path });
    return [launcherFinding(probe, compiler.works), compilerFinding(compiler, probe.kind === 'native')];
  } catch (error) {
    const launcher = problem('launcher', reasonOf(error), 'Workers cannot start tasks until this is mended');
    return [launcher, compilerFinding(compiler, false)];
  } finally {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  }
}

function launcherFinding({ kind, why, path, fastestMs }: LauncherProbe, hasCompiler: boolean): Finding {
  const time = `a task that does nothing takes ${Number(fastestMs.toFixed(1))} ms`;
  if (kind === 'native') return ok('launcher', `native (${path}); ${time}`);
  if (why === 'asked-for') return ok('launcher', `Node's, because HQ_LAUNCHER is node; ${time}`);
  const loss = `slower, and without CPU time, peak memory and CPU binding of tasks; ${time}`;
  if (typeof why === 'object' && why !== null)
    return warning('launcher', `Node's: ${loss}; ${why.unusable}`, 'Build hq on this kind of machine with: npm run build');
  const advice = hasCompiler ? 'Build the native launcher with: npm run build' : 'Install a C compiler, then: npm run build';
  return warning('launcher', `Node's, because ${path} is not built: ${loss}`, advice);
}

interface Compiler {
  readonly works: boolean;
  /** What it says of itself, or why there is none. */
  readonly text: string;
}

async function findCompiler(env: LauncherCheckOptions['env']): Promise<Compiler> {
  const result = await briefRun('cc', ['--version'], { env, timeoutMs: COMPILER_TIMEOUT_MS });
  if (result.kind === 'exit' && result.code === 0) return { works: true, text: firstLine(result) };
  return { works: false, text: result.kind === 'missing' ? 'cc is not on PATH' : 'cc does not work' };
}

/** Only the build needs one: a machine on which the built launcher runs is not worse without. */
function compilerFinding({ works, text }: Compiler, hasLauncher: boolean): Finding {
  if (works) return ok('c-compiler', text);
  if (hasLauncher) return ok('c-compiler', `${text}; not needed, because the launcher is built`);
  return warning('c-compiler', text, 'Build hq on a machine that has a C compiler');
}
