/**
 * Programs that answer with what was recorded: put in front of PATH, they stand for the commands of a batch system that is not on this machine.
 * Used by the tests of batch systems.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
      rmSync(`${path}.tape`, { recursive: true, force: true });
      mkdirSync(`${path}.tape`);
      for (const [index, { exitCode, stdout = '', stderr = '' }] of answers.entries()) {
        const write = (kind: string, text: string): void => writeFileSync(join(`${path}.tape`, `${index}.${kind}`), text);
        write('out', typeof stdout === 'string' ? stdout : JSON.stringify(stdout, null, 4));
        write('err', stderr);
        write('code', String(exitCode));
      }
      writeFileSync(join(`${path}.tape`, 'next'), '0');
      writeFileSync(path, PROGRAM, { mode: 0o755 });
    }
  }

  /** @returns all calls so far, in their order */
  calls(program?: string): Call[] {
    const log = join(this.bin, 'calls');
    const words = existsSync(log) ? readFileSync(log, 'utf8').split('\0').slice(0, -1) : [];
    const calls: Call[] = [];
    while (words.length > 0) {
      const [name, cwd, count] = words.splice(0, 3) as [string, string, string];
      const args = words.splice(0, Number(count));
      const last = args.at(-1) ?? '';
      calls.push({ program: name, args, cwd, script: last.startsWith('/') && existsSync(last) ? readFileSync(last, 'utf8') : null });
    }
    return calls.filter((call) => program === undefined || call.program === program);
  }

  private get bin(): string {
    return join(this.directory, 'bin');
  }
}

/** Writes the call down and gives the next answer; one call at a time, as the batch systems do. */
const PROGRAM = `#!/bin/bash
printf '%s\\0' "\${0##*/}" "$PWD" "$#" "$@" >>"\${0%/*}/calls"
tape=$0.tape now=$(<"$0.tape/next")
[ -e "$tape/$((now + 1)).code" ] && echo $((now + 1)) >"$tape/next"
cat "$tape/$now.out"
cat "$tape/$now.err" >&2
exit "$(<"$tape/$now.code")"
`;
