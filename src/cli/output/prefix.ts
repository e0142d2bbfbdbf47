/** The prefix of every line of `hq output-log … show`: `<job>.<task>:<0|1>> `, ids padded with zeros to one width, coloured by task. */
import type { OutputChunk } from '../../outputlog/reader.ts';

/** Foreground colours that can be read on dark and light terminals. */
const COLORS = [31, 32, 33, 34, 35, 36] as const;

export class Prefix {
  private readonly jobWidth: number;
  private readonly taskWidth: number;
  private readonly colors: boolean;

  /** @param largest the largest ids that will come; 0 where they are not known */
  constructor(largest: { job: number; task: number }, colors: boolean) {
    this.jobWidth = String(largest.job).length;
    this.taskWidth = String(largest.task).length;
    this.colors = colors;
  }

  /** Every line of the chunk with its prefix; an unfinished last line is ended. */
  lines(chunk: OutputChunk): string {
    const job = String(chunk.jobId).padStart(this.jobWidth, '0');
    const task = String(chunk.taskId).padStart(this.taskWidth, '0');
    const plain = `${job}.${task}:${chunk.channel === 'stdout' ? 0 : 1}> `;
    const prefix = this.colors ? `\u001b[${COLORS[chunk.taskId % COLORS.length]}m${plain}\u001b[39m` : plain;
    const text = chunk.data.toString('utf8').replace(/\n$/, '');
    return `${text.replace(/^/gm, prefix)}\n`;
  }
}
