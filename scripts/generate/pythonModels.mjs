/** python-shim/src/hq_bridge/_generated/models.py: the types of the HTTP API in Python, out of the same document as docs/schema/models.json. */
import { spawnSync } from 'node:child_process';
import { findPython } from '../lib/machine.mjs';
import { inRoot } from '../lib/paths.mjs';
import { Trouble } from '../lib/text.mjs';
import { generateModels } from './models.mjs';

const TOOL = 'python-shim/tools/generate_models.py';
const MAX_BYTES = 16 * 1024 * 1024;

export async function generatePythonModels(load) {
  const [{ text: input }] = await generateModels(load);
  const { executable } = await findPython();
  const options = { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'inherit'], maxBuffer: MAX_BYTES };
  const { status, error, stdout } = spawnSync(executable, [inRoot(TOOL)], options);
  if (status !== 0) throw new Trouble(`${TOOL} failed: ${error?.message ?? `exit code ${status}`}`);
  return [{ path: 'python-shim/src/hq_bridge/_generated/models.py', text: stdout }];
}
