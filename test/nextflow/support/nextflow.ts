/** Runs of the real Nextflow in a directory of their own, on the server of a cluster, without a network. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { findJdk } from '../../../fixtures/nextflow/machine.mjs';
import type { Cluster } from '../../helpers/cluster.ts';

const NEXTFLOW = resolve('fixtures/nextflow/bin/nextflow');
/** Has a link called `hq`. */
const COMMANDS = resolve('build/bin');
const TRACE_FILE = 'trace.txt';
const TRACE_FIELDS = 'task_id,native_id,name,status,exit,attempt,workdir,duration,realtime,peak_rss';

export interface PipelineOptions {
  /** Text of main.nf, or an absolute folder of a pipeline. */
  readonly script?: string;
  readonly pipeline?: string;
  /** Text of nextflow.config, behind that of `hq nextflow config`. */
  readonly config?: string;
  /** Added to `nextflow run PIPELINE`. */
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Directory of an earlier run, for `-resume`; by default a fresh one. */
  readonly directory?: string;
  /** Record a trace: 0.1 s per task more. */
  readonly trace?: boolean;
}

/** One line of Nextflow's trace, by the names of its columns. */
export type TraceRow = Readonly<Record<string, string>>;

export interface PipelineResult {
  /** The signal's name when it was killed. */
  readonly code: number | string;
  /** stdout and stderr, as they came. */
  readonly output: string;
  /** `.nextflow.log`. */
  readonly log: string;
  /** In the order of their ends; empty unless asked for. */
  readonly trace: readonly TraceRow[];
}

/** A pipeline that runs. */
export class PipelineRun {
  /** Launch directory; `work` in it has the tasks' directories. */
  readonly directory: string;
  readonly child: ChildProcess;
  output = '';
  private readonly ended: Promise<number | string>;

  constructor(cluster: Cluster, o: PipelineOptions) {
    this.directory = o.directory ?? mkdtempSync(join(cluster.root, 'pipeline-'));
    if (o.script !== undefined) writeFileSync(join(this.directory, 'main.nf'), o.script);
    const config = [tunedConfig(cluster), `trace.fields = '${TRACE_FIELDS}'`, 'trace.overwrite = true', o.config ?? ''];
    writeFileSync(join(this.directory, 'nextflow.config'), config.join('\n'));
    const args = ['run', o.pipeline ?? 'main.nf', ...(o.trace === true ? ['-with-trace', TRACE_FILE] : []), ...(o.args ?? [])];
    this.child = spawn(NEXTFLOW, args, { cwd: this.directory, env: environment(cluster, o.env), stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    this.ended = new Promise((done) => this.child.once('close', (code, signal) => done(code ?? signal ?? 'unknown')));
  }

  /** Text of a file below the launch directory; empty when it is not there. */
  read(path: string): string {
    const file = join(this.directory, path);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** Of all tasks, absolute. */
  directories(): string[] {
    const work = join(this.directory, 'work');
    const below = (path: string): string[] => readdirSync(path).map((name) => join(path, name));
    return below(work)
      .filter((path) => /\/[0-9a-f]{2}$/.test(path))
      .flatMap(below);
  }

  async result(): Promise<PipelineResult> {
    const code = await this.ended;
    return { code, output: this.output, log: this.read('.nextflow.log'), trace: rowsOf(this.read(TRACE_FILE)) };
  }
}

/** Runs a pipeline to its end; never throws for an exit code. */
export function runPipeline(cluster: Cluster, o: PipelineOptions): Promise<PipelineResult> {
  return new PipelineRun(cluster, o).result();
}

/** What users are told to take. */
function tunedConfig(cluster: Cluster): string {
  return execFileSync(join(COMMANDS, 'hq'), ['nextflow', 'config'], { encoding: 'utf8', env: cluster.env });
}

/** Everything that Nextflow and Java write lies in the cluster's directory. */
function environment(cluster: Cluster, given: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return {
    ...cluster.env,
    PATH: `${COMMANDS}:${process.env['PATH']}`,
    JAVA_HOME: findJdk(),
    NXF_HOME: join(cluster.root, 'nextflow'),
    NXF_OFFLINE: 'true',
    NXF_ANSI_LOG: 'false',
    // a small process: no file of performance data in /tmp, no threads that collect garbage while tasks want the cores
    NXF_OPTS: '-XX:-UsePerfData -XX:+UseSerialGC',
    ...given,
  };
}

function rowsOf(text: string): TraceRow[] {
  const [head = '', ...lines] = text.split('\n').filter((line) => line !== '');
  const names = head.split('\t');
  return lines.map((line) => Object.fromEntries(line.split('\t').map((value, index) => [names[index] ?? '', value])));
}
