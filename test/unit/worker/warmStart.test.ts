import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import type { WarmSpec } from '../../../src/protocol/schema/task.ts';
import { type WarmPlace, warmStart } from '../../../src/worker/executor/warmStart.ts';

const PLACE: WarmPlace = {
  directory: '/node',
  cwd: "/it's here",
  example: 'python -m snakemake',
  restless: false,
  learned: [],
  learns: true,
};
const SNAKEMAKE: WarmSpec = { kind: 'snakemake', python: 'python', run: 'r', level: 'snakefile' };
const FUNCTION: WarmSpec = { kind: 'python', python: '/bin/python3', run: 'functions', level: 'imports' };

describe('start of a warm runner', () => {
  test('a job of Snakemake is its example, and after many changes only modules are loaded', () => {
    const args = ['-m', 'hq_bridge.warm', 'snakemake', 'snakefile', '/node', PLACE.cwd, 'python -m snakemake'];
    expect(warmStart(SNAKEMAKE, PLACE)).toEqual({ path: 'python', args, apart: undefined });
    expect(warmStart(SNAKEMAKE, { ...PLACE, restless: true })).toMatchObject({ args: args.with(3, 'imports') });
    expect(warmStart(SNAKEMAKE, { ...PLACE, example: 'x'.repeat(130_000) })).toMatch(/too long/);
  });

  test('a function names what is loaded; what changes all the time is left to the tasks', () => {
    const place = { ...PLACE, learned: ['yaml'], learns: false };
    const wanted = (spec: WarmSpec, o: WarmPlace): unknown => {
      const start = warmStart(spec, o);
      return typeof start === 'string' ? start : [start.path, JSON.parse(start.args.at(-1) ?? ''), start.apart];
    };
    const named = { ...FUNCTION, imports: ['own'] };
    expect(wanted(named, place)).toEqual(['/bin/python3', { imports: ['own'], learned: ['yaml'], learns: false }, PLACE.cwd]);
    expect(wanted(named, { ...place, restless: true })).toEqual([
      '/bin/python3',
      { imports: [], learned: ['yaml'], learns: false },
      PLACE.cwd,
    ]);
    expect(wanted(FUNCTION, { ...place, learned: ['x'.repeat(130_000)] })).toEqual([
      '/bin/python3',
      { imports: [], learned: [], learns: false },
      PLACE.cwd,
    ]);
  });

  test('a prologue runs before, in its shell, and the arguments arrive behind it', () => {
    const start = warmStart({ ...FUNCTION, python: 'echo "$A"', prologue: 'A="a b"; export A', shell: 'sh' }, PLACE);
    if (typeof start === 'string') throw new Error(start);
    expect([start.path, start.apart]).toEqual(['sh', PLACE.cwd]);
    const said = execFileSync(start.path, start.args, { encoding: 'utf8' });
    expect(said).toBe(`a b -m hq_bridge.warm python imports /node ${PLACE.cwd} {"imports":[],"learned":[],"learns":true}\n`);
  });

  test.each([
    ['export D=$HQ_TASK_DIR', 'HQ_'],
    ['D=$(mktemp -d)', 'mktemp'],
    ["trap 'rm x' EXIT", 'trap'],
    ['echo $$', '$$'],
    ['ssh -N -L 1:a:1 b & sleep 1', '&'],
    ['export CUDA_VISIBLE_DEVICES=', 'VISIBLE_DEVICES'],
  ])('a prologue that is for each task alone runs with each: %s', (prologue, word) => {
    expect(warmStart({ ...FUNCTION, prologue }, PLACE)).toBe(
      `functions are started by their command: their prologue has ${word}, which is for each task alone`,
    );
  });

  test('a prologue with conditions and redirections runs once', () => {
    expect(warmStart({ ...FUNCTION, prologue: 'a && b > /dev/null 2>&1 || c &> d' }, PLACE)).toMatchObject({ path: 'bash' });
  });

  test('a prologue that is no argument any more is left to each task', () => {
    expect(warmStart({ ...FUNCTION, prologue: `: ${'x'.repeat(130_000)}` }, PLACE)).toMatch(/prologue is too long/);
  });
});
