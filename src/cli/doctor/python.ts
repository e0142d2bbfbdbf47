/** Check of the interpreter that runs Python functions here: is hq-bridge installed for it, and does HyperQueue's own package stand in its way. */
import { briefRun, firstLine } from '../../common/briefRun.ts';
import { VERSION } from '../../protocol/version.ts';
import { type Finding, ok, problem, reasonOf, warning } from './finding.ts';

/** A cold start of Python from a parallel file system under load takes seconds, milliseconds. */
const ANSWER_TIMEOUT_MS = 20_000;
const DEFAULT_PYTHON = 'python3';

/** What the script says, as JSON. Null: not there. */
interface Answer {
  readonly executable: string;
  /** As 3.11.7. */
  readonly version: string;
  readonly isTooOld: boolean;
  /** Versions of the packages hq-bridge, hyperqueue and cloudpickle. */
  readonly bridge: string | null;
  readonly original: string | null;
  readonly cloudpickle: string | null;
  /** What `import hyperqueue` would load. */
  readonly file: string | null;
  readonly isOurs: boolean;
}

/** Imports nothing of either package: the native part of the original is 20 MB. Anything before Python 3.8 has no `metadata` and is refused by its version. */
const SCRIPT = `
import importlib.util, json, platform, sys
def version(name):
    try:
        from importlib import metadata
        return metadata.version(name)
    except ImportError:
        return None
spec = importlib.util.find_spec("hyperqueue")
file = spec.origin if spec else None
print(json.dumps({
    "executable": sys.executable,
    "version": platform.python_version(),
    "isTooOld": sys.version_info < (3, 8),
    "bridge": version("hq-bridge"),
    "original": version("hyperqueue"),
    "cloudpickle": version("cloudpickle"),
    "file": file,
    "isOurs": file is not None and b"hq_bridge" in open(file, "rb").read(),
}))`;

export interface PythonCheckOptions {
  /** HQ_PYTHON: an interpreter instead of `python3`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
}

/** @returns one finding; having no Python, or one without hq-bridge, is no fault, because programs need none */
export async function checkPython({ env, timeoutMs = ANSWER_TIMEOUT_MS }: PythonCheckOptions): Promise<Finding> {
  const named = env['HQ_PYTHON'];
  const python = named || DEFAULT_PYTHON;
  const result = await briefRun(python, ['-c', SCRIPT], { env, timeoutMs });
  const advice = 'Name an interpreter that works with HQ_PYTHON';
  switch (result.kind) {
    case 'missing':
      if (named) return problem('python', `there is no ${named}, which HQ_PYTHON names`, advice);
      return ok('python', `${python} is not on PATH; only Python's API and Snakemake need it`);
    case 'timeout':
      return warning('python', `${python} does not answer within ${timeoutMs / 1_000} s`, advice);
    case 'failed':
      return warning('python', `${python} cannot be run: ${reasonOf(result.why)}`, advice);
    case 'exit':
      // What a site's own set-up prints comes before.
      if (result.code === 0) return judge(JSON.parse(lastLine(result.stdout)) as Answer);
      return warning('python', `${python} failed with exit code ${result.code}: ${lastLine(result.stderr) || firstLine(result)}`, advice);
  }
}

/** Where a traceback says what is wrong, and the script its answer. */
const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';

function judge(answer: Answer): Finding {
  const { executable, version, bridge, original, cloudpickle, file, isOurs } = answer;
  const here = `${executable} (Python ${version})`;
  const pip = `${executable} -m pip`;
  const again = `${pip} install --force-reinstall --no-deps hq-bridge`;
  if (answer.isTooOld) return warning('python', `${here} is too old for hq-bridge`, 'Name Python 3.8 or newer with HQ_PYTHON');
  if (original !== null) {
    const whose = `import hyperqueue loads ${file}`;
    const separate = `Run: ${pip} uninstall hyperqueue; ${again}`;
    if (bridge === null)
      return warning(
        'python',
        `${here} has HyperQueue's own package ${original} and not hq-bridge: its Client cannot use servers of hq (${whose})`,
        separate,
      );
    const both = `${here} has HyperQueue's own package ${original} beside hq-bridge; both bring the module hyperqueue`;
    if (isOurs) return warning('python', `${both}, and ${whose}, which is that of hq-bridge as long as neither is updated`, separate);
    return problem('python', `${both}, and ${whose}, whose Client cannot use servers of hq`, separate);
  }
  if (bridge === null)
    return ok('python', `${here}, without hq-bridge, which only Python's API and Snakemake need: ${pip} install hq-bridge`);
  if (!isOurs)
    return problem(
      'python',
      `${here} has hq-bridge, but import hyperqueue ${file === null ? 'finds nothing' : `loads ${file}`}`,
      `Run: ${again}`,
    );
  if (bridge !== VERSION)
    return warning('python', `${here} has hq-bridge ${bridge}, but hq is ${VERSION}`, `Run: ${pip} install hq-bridge==${VERSION}`);
  if (cloudpickle === null)
    return warning(
      'python',
      `${here} has hq-bridge, but not cloudpickle, without which only functions of modules run`,
      `Run: ${pip} install cloudpickle`,
    );
  return ok('python', `${here} with hq-bridge ${bridge} and cloudpickle ${cloudpickle}`);
}
