/**
 * The Slurm test cluster for tests: start it with the wanted options, submit jobs, wait for states, break things. All of it goes through the
 * command line of fixtures/slurm-cluster and Slurm's own commands. One cluster at a time; slurmSetup.ts takes the last one away.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { isOurs } from '../../fixtures/slurm-cluster/lib/lifecycle.mjs';
import { type ClusterOptions, hostAddress, startOptions } from '../../fixtures/slurm-cluster/lib/options.mjs';
import { waitFor } from './cluster.ts';

const FIXTURE = resolve('fixtures/slurm-cluster/cluster.mjs');
/** Seconds to wait while another checkout's tests use the machine. */
const WAIT_S = 600;
/** Slurm's clients give up a controller that does not answer after 10 s. */
const COMMAND_MS = 30_000;
/** Requeues wait 11 s and limits are looked at every 30 s, so states may take long to come. Milliseconds. */
const STATE_MS = 45_000;
/** A dead node is noticed at the second round of 30 s. */
const NODE_MS = 90_000;

/** Run one command of the fixture; its stdout. @throws ExecaError with what it said on stderr */
export async function slurmFixture(args: readonly string[]): Promise<string> {
  return (await execa(process.execPath, [FIXTURE, ...args], { stdin: 'ignore' })).stdout;
}

function optionArgs(options: Partial<ClusterOptions>): string[] {
  return Object.entries(options).flatMap(([key, value]) => {
    const flag = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (typeof value === 'boolean') return value ? [flag] : [];
    return [flag, String(value)];
  });
}

/** Outcome of a command that may fail. */
export interface SlurmResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class SlurmCluster {
  /** Working directory of the jobs, with their output files. Removed by `clean`. */
  readonly work: string = mkdtempSync(join(tmpdir(), 'hq-slurm-'));

  /** Address under which the nodes reach this host. */
  readonly host: string;

  private constructor(host: string) {
    this.host = host;
  }

  /**
   * Bring the cluster up with these options; takes no time when it is up like that.
   * @throws ExecaError when it does not come up, has other options and jobs, or has been another checkout's for ten minutes
   */
  static async start(options: Partial<ClusterOptions> = {}): Promise<SlurmCluster> {
    const args = optionArgs(options);
    await slurmFixture(['start', ...args, '--wait', String(WAIT_S)]);
    return new SlurmCluster(hostAddress(startOptions(args).options));
  }

  /** Run one of Slurm's commands, or any other, in the working directory; never throws for an exit code. */
  async run(program: string, ...args: readonly string[]): Promise<SlurmResult> {
    const { exitCode, stdout, stderr } = await execa(program, [...args], {
      cwd: this.work,
      reject: false,
      stdin: 'ignore',
      timeout: COMMAND_MS,
    });
    return { code: exitCode ?? -1, stdout, stderr };
  }

  /** The same for a command that must succeed; its stdout. */
  async ok(program: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(program, ...args);
    if (code !== 0) throw new Error(`${program} ${args.join(' ')} exited with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Submit a shell script. Its output is in `ID.out` of the working directory. @returns the job's id */
  async submit(script: string, ...args: readonly string[]): Promise<string> {
    return this.ok('sbatch', '--parsable', '--output=%j.out', ...args, `--wrap=${script}`);
  }

  /** What `scontrol show job` says, by field; undefined when the controller does not know the job. */
  async job(id: string): Promise<Record<string, string> | undefined> {
    const { code, stdout, stderr } = await this.run('scontrol', 'show', 'job', '--oneliner', id);
    if (code === 0) return fieldsOf(stdout);
    if (stderr.includes('Invalid job id')) return undefined;
    throw new Error(`scontrol show job ${id}: ${stderr}`);
  }

  /** Wait until a job is in one of these states; its fields then. @throws Error with what it was last */
  async untilJob(id: string, ...states: readonly string[]): Promise<Record<string, string>> {
    let last: Record<string, string> | undefined;
    const probe = async () => {
      last = await this.job(id);
      return last !== undefined && states.includes(last['JobState'] ?? '');
    };
    await waitFor(`job ${id} to become ${states.join(' or ')}`, probe, STATE_MS).catch((error: Error) => {
      throw new Error(`${error.message}: ${last?.['JobState']} ${last?.['Reason']}`);
    });
    return last ?? {};
  }

  /**
   * State of a node in Slurm's words, small letters; a `*` behind it: it has not answered. Not by sinfo: after a restart of the controller that goes on
   * saying `mixed` of a node that has failed, for more than a minute after it is back and idle.
   */
  async nodeState(name: string): Promise<string> {
    const fields = fieldsOf(await this.ok('scontrol', 'show', 'node', '--oneliner', name));
    return (fields['State'] ?? '').toLowerCase().replace('+not_responding', '*');
  }

  /** Wait until a node is in one of these states. */
  async untilNode(name: string, ...states: readonly string[]): Promise<void> {
    let last = '';
    const probe = async () => {
      last = await this.nodeState(name);
      return states.includes(last);
    };
    await waitFor(`${name} to become ${states.join(' or ')}`, probe, NODE_MS).catch(async (error: Error) => {
      throw new Error(`${error.message}: it is ${last}\n${await this.ok('squeue', '-l')}`);
    });
  }

  /** Cut or restore the power of a node, or, with `netns`, pull or plug its cable. */
  async node(action: 'crash' | 'start' | 'unplug' | 'plug', name: string): Promise<void> {
    await slurmFixture(['node', action, name]);
  }

  /** Stop the controller in order, kill it, or start it again. Started: waits until it answers. */
  async controller(action: 'stop' | 'crash' | 'start'): Promise<void> {
    await slurmFixture(['controller', action]);
    if (action === 'start') await waitFor('the controller', async () => (await this.run('scontrol', 'ping')).code === 0);
  }

  /** Run a command on a node, or on `login`, as root; never throws for an exit code. */
  async exec(name: string, ...command: readonly string[]): Promise<SlurmResult> {
    return this.run(process.execPath, FIXTURE, 'exec', name, ...command);
  }

  /** Cancel all jobs and wait until the queue is empty, while the cluster is up and ours; then remove the working directory. For `afterAll`. */
  async clean(): Promise<void> {
    try {
      if (isOurs()) await this.emptyQueue();
    } finally {
      rmSync(this.work, { recursive: true, force: true });
    }
  }

  private async emptyQueue(): Promise<void> {
    const jobs = async () => (await this.ok('squeue', '-h', '-o', '%i')).split('\n').filter(Boolean);
    const left = await jobs();
    if (left.length > 0) await this.ok('scancel', ...left);
    await waitFor('an empty queue', async () => (await jobs()).length === 0);
  }
}

/** Reads `Key=Value Key=Value …`: values may hold spaces; keys begin with a capital. Exported for the helper's own test. */
export function fieldsOf(line: string): Record<string, string> {
  return Object.fromEntries([...line.trim().matchAll(/([A-Z][\w:/]*)=(.*?)(?=\s+[A-Z][\w:/]*=|$)/g)].map(([, key, value]) => [key, value]));
}

/** Command lines of living processes, those on nodes included, that contain one of these words. A zombie has none. */
export function processesWith(...words: readonly string[]): string[] {
  const lines = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return ''; // it has ended meanwhile
      }
    });
  return lines.filter((line) => words.some((word) => line.includes(word)));
}
