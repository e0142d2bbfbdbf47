/**
 * Programs that answer with what was recorded: put in front of PATH, they stand for the commands of a batch system that is not on this machine.
 * Used by the tests of batch systems.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface Answer {
  readonly exitCode: number;
  /** Text, or a value that the command prints as JSON. */
  readonly stdout?: unknown;
  readonly stderr?: string;
}

/** Answers of each command in the order of its calls; the last one is given for ever. */
export type Tape = Readonly<Record<string, readonly Answer[]>>;

/** One call of a program. */
export interface Call {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Text of the last argument when that is a file: a job script. */
  readonly script: string | null;
}

export class Replay {
  private readonly directory: string;

  /** @param directory fresh; removed by the caller */
  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(this.bin);
  }

  /** Variables for commands that are to find these programs. */
  get env(): NodeJS.ProcessEnv {
    return { ...process.env, PATH: `${this.bin}${delimiter}${process.env.PATH}` };
  }

  /** From now on the programs answer this. */
  play(tape: Tape): void {
    for (const [program, answers] of Object.entries(tape)) {
      const path = join(this.bin, program);
      writeFileSync(`${path}.tape`, JSON.stringify(answers));
      writeFileSync(path, PROGRAM);
      chmodSync(path, 0o755);
    }
  }

  /** @returns all calls so far, in their order */
  calls(program?: string): Call[] {
    const log = join(this.bin, 'calls');
    if (!existsSync(log)) return [];
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line) as Call).filter((call) => program === undefined || call.program === program);
  }

  private get bin(): string {
    return join(this.directory, 'bin');
  }
}

/** Takes the first answer off its tape; one call at a time, as the batch systems do. */
const PROGRAM = `#!${process.execPath}
const { appendFileSync, existsSync, readFileSync, writeFileSync } = require('node:fs');
const { basename, dirname, join } = require('node:path');
const [, path, ...args] = process.argv;
const last = args.at(-1);
const script = last !== undefined && last.startsWith('/') && existsSync(last) ? readFileSync(last, 'utf8') : null;
const call = { program: basename(path), args, cwd: process.cwd(), script };
appendFileSync(join(dirname(path), 'calls'), JSON.stringify(call) + '\\n');
const [answer, ...rest] = JSON.parse(readFileSync(path + '.tape', 'utf8'));
if (rest.length > 0) writeFileSync(path + '.tape', JSON.stringify(rest));
const { stdout = '', stderr = '', exitCode } = answer;
process.stdout.write(typeof stdout === 'string' ? stdout : JSON.stringify(stdout, null, 4));
process.stderr.write(stderr);
process.exitCode = exitCode;
`;
