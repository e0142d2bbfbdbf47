/** `--on-notify`: runs a program for each message of a job's tasks, one at a time, in their order. Used by every submit that waits. */
import { spawn } from 'node:child_process';
import type { HqClient } from '../../client/client.ts';
import type { EventReader } from '../../client/eventReader.ts';
import { HqError } from '../../protocol/errors.ts';
import type { HqEvent } from '../../protocol/schema/event.ts';
import type { Context } from '../context.ts';
import { shellWords } from './shellWords.ts';

type NoteEvent = HqEvent & { readonly type: 'task-notify' };

/** @returns program and arguments; throws HqError HQ_E_USAGE */
export function noteCommand(text: string): string[] {
  const words = shellWords(text);
  const detail = typeof words === 'string' ? words : words.length === 0 ? 'a program is expected' : null;
  if (detail !== null) throw new HqError('HQ_E_USAGE', { detail: `invalid value '${text}' for '--on-notify': ${detail}` });
  return words as string[];
}

export class NoteRunner {
  private readonly context: Context;
  private readonly client: HqClient;
  private readonly words: readonly string[];
  private readonly events: EventReader;
  private running: Promise<void> = Promise.resolve();
  private failure: unknown;

  /** Use `open`. */
  private constructor(context: Context, client: HqClient, words: readonly string[]) {
    this.context = context;
    this.client = client;
    this.words = words;
    this.events = client.events({ types: ['task-notify'], signal: context.io.signal });
  }

  /** Before the job is submitted, so that no message of it is missed. */
  static async open(context: Context, client: HqClient, words: readonly string[]): Promise<NoteRunner> {
    const opened = new NoteRunner(context, client, words);
    await opened.events.ready();
    return opened;
  }

  follow(jobId: number): void {
    this.running = this.read(jobId).catch((error: unknown) => {
      this.failure = error;
    });
  }

  /** Once the job has ended: what it has said by then is still told. @throws what reading the events has thrown */
  async finish(jobId: number): Promise<void> {
    await this.close();
    if (this.failure !== undefined) throw this.failure;
    const after = this.events.lastSeq ?? 0;
    const rest = this.client.events({ after, follow: false, types: ['task-notify'], jobIds: [jobId], signal: this.context.io.signal });
    for await (const batch of rest) await this.handle(batch, jobId);
  }

  /** Lets the program that runs come to its end, and starts no other. */
  async close(): Promise<void> {
    await this.events.return();
    await this.running;
  }

  private async read(jobId: number): Promise<void> {
    for await (const batch of this.events) await this.handle(batch, jobId);
  }

  private async handle(batch: readonly HqEvent[], jobId: number): Promise<void> {
    for (const event of batch) if (event.type === 'task-notify' && event.jobId === jobId) await this.run(event as NoteEvent);
  }

  /** A program that fails is told and does not end the wait. */
  private run({ jobId, taskId, workerId, message }: NoteEvent): Promise<void> {
    const { io } = this.context;
    const [program = '', ...args] = this.words;
    const env = { ...io.env, HQ_JOB_ID: String(jobId), HQ_TASK_ID: String(taskId), HQ_WORKER_ID: String(workerId) };
    return new Promise((resolve) => {
      const child = spawn(program, [...args, message], { cwd: io.cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
      child.stdout.pipe(io.stdout, { end: false });
      child.stderr.pipe(io.stderr, { end: false });
      child.once('error', (error) => {
        this.context.warn(`--on-notify: ${program} cannot be run: ${error.message}`);
        resolve();
      });
      child.once('close', (code, signal) => {
        if (code !== 0 && child.pid !== undefined) this.context.warn(`--on-notify: ${program} ended with ${signal ?? `exit code ${code}`}`);
        resolve();
      });
    });
  }
}
