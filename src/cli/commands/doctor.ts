/** `hq doctor`: looks at this machine and at the server directory, and says what is in the way. Changes nothing and starts no server. */
import { readFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { NODE_NEEDED } from '../../protocol/version.ts';
import type { Context } from '../context.ts';
import { checkBatchSystems } from '../doctor/batchSystems.ts';
import { type Finding, ok, problem, reasonOf } from '../doctor/finding.ts';
import { checkLauncher } from '../doctor/launcher.ts';
import { checkHostName, checkPorts, checkSocket } from '../doctor/network.ts';
import { checkPython } from '../doctor/python.ts';
import { checkClock, checkLimits, checkNode } from '../doctor/runtime.ts';
import { checkServer } from '../doctor/server.ts';
import { checkServerDirectory } from '../doctor/serverDirectory.ts';
import { checkFileSystem, checkLocks, checkRoom, checkSync } from '../doctor/storage.ts';
import { checkTemporaryDirectory } from '../doctor/temporaryDirectory.ts';

/** As long as the uid of a server. */
const UID_EXAMPLE = 'x'.repeat(6);

/** @returns 1 when something is a problem */
export async function runDoctor(context: Context): Promise<number> {
  const { io, serverDir } = context;
  const tmpDir = resolve(io.cwd, io.env['TMPDIR'] || tmpdir());
  const findings = [
    ...(await guarded('node', () => [checkNode(process.versions.node, NODE_NEEDED)])),
    ...(await guarded('launcher', () => checkLauncher({ env: io.env, tmpDir }))),
    ...(await guarded('server-directory', () => checkStorage(serverDir))),
    ...(await guarded('server', async () => [await checkServer({ serverDir, ...io })])),
    ...(await guarded('network', () => checkNetwork(io.env, tmpDir))),
    ...(await guarded('temporary-directory', () => [checkTemporaryDirectory(tmpDir)])),
    ...(await guarded('limits', () => checkLimits(readFileSync('/proc/self/limits', 'utf8')))),
    ...(await guarded('control-group', async () => [await checkControlGroup(io.env)])),
    ...(await guarded('python', async () => [await checkPython(io)])),
    ...(await guarded('batch-systems', () => checkBatchSystems({ env: io.env }))),
  ];
  io.signal.throwIfAborted();
  context.output.findings(findings);
  return findings.some(({ level }) => level === 'problem') ? 1 : 0;
}

/** A check that fails itself must not hide what the others have found. */
async function guarded(check: string, run: () => Finding[] | Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await run();
  } catch (error) {
    return [problem(check, `this could not be checked: ${reasonOf(error)}`, 'Please report this line')];
  }
}

/** What cannot be written is not probed: its finding says enough. */
async function checkStorage(serverDir: string): Promise<Finding[]> {
  const { finding, place, isWritable } = checkServerDirectory(serverDir);
  const findings = [finding];
  let skewMs: number | null = null;
  if (place !== null) findings.push(checkFileSystem(place), checkRoom(place));
  if (place !== null && isWritable) {
    const sync = checkSync(place);
    skewMs = sync.skewMs;
    findings.push(await checkLocks(place), sync.finding);
  }
  return [...findings, checkClock(Date.now(), skewMs)];
}

async function checkNetwork(env: Readonly<Record<string, string | undefined>>, tmpDir: string): Promise<Finding[]> {
  const { serverAddresses } = await import('../../server/identity/addresses.ts');
  const { chooseSocketPath } = await import('../../server/identity/socketPath.ts');
  const hosts = serverAddresses();
  const socket = chooseSocketPath({ serverUid: UID_EXAMPLE, env, tmpDirs: [tmpDir, '/tmp'], dryRun: true });
  return [checkSocket(socket), ...(await checkPorts(hosts)), await checkHostName(hostname(), hosts)];
}

async function checkControlGroup(env: Readonly<Record<string, string | undefined>>): Promise<Finding> {
  const { memoryDelegation } = await import('../../worker/detect/delegation.ts');
  const { HostFiles } = await import('../../worker/detect/hostFiles.ts');
  const found = memoryDelegation(new HostFiles());
  if (env['HQ_MEM_GUARD'] === 'proc') return ok('control-group', 'memory of tasks: /proc sampling, because HQ_MEM_GUARD is proc');
  const way = 'path' in found ? `cgroup v${found.version}, in ${found.path}` : `/proc sampling, because ${found.why}`;
  return ok('control-group', `memory of tasks: ${way}`);
}
