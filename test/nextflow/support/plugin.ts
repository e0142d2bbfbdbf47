/** Runs of Nextflow with the plugin nf-hyperqueue in place of the built-in executor. */
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { nextflowPlugin } from '../../../scripts/lib/nextflowPlugin.mjs';
import type { Cluster } from '../../helpers/cluster.ts';
import { type PipelineOptions, PipelineRun } from './nextflow.ts';

const PIPELINES = resolve('test/nextflow/pipelines');

export interface PluginRunOptions extends Omit<PipelineOptions, 'script'> {
  /** Name of a file in test/nextflow/pipelines, without its extension. */
  readonly pipeline: string;
}

/** Starts a pipeline with the plugin, installed as users do it without a network: its zip lies in the plugin folder. */
export function startWithPlugin(cluster: Cluster, { pipeline, config = '', ...rest }: PluginRunOptions): PipelineRun {
  const { id, version, zip } = nextflowPlugin();
  // Nextflow unpacks and removes it.
  const folder = join(cluster.root, 'nextflow/plugins');
  mkdirSync(folder, { recursive: true });
  copyFileSync(zip, join(folder, basename(zip)));
  const script = readFileSync(join(PIPELINES, `${pipeline}.nf`), 'utf8');
  return new PipelineRun(cluster, { ...rest, script, config: `plugins { id '${id}@${version}' }\n${config}` });
}
