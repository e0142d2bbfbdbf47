/** The figures of the benchmarks must say what was measured: medians, growth, which way a ratio goes, what met its goal, and the report's layout. */
import { describe, expect, test } from 'vitest';
import { figure, growthFigure, numberText, reportJson, tableText } from '../../bench/lib/figures.mjs';
import { exponent, interleaved, limitOf, median, Samples } from '../../bench/lib/statistics.mjs';

function samplesOf(values: Record<string, number[]>): Samples {
  const samples = new Samples();
  for (const [name, list] of Object.entries(values)) for (const value of list) samples.add(name, value);
  return samples;
}

describe('median', () => {
  test('the middle value, in whatever order they came', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([100, 9, 20])).toBe(20);
  });

  test('the mean of the two middle ones when their number is even', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  test('leaves its input as it is and refuses nothing at all', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
    expect(() => median([])).toThrow('the median of nothing');
  });
});

describe('exponent', () => {
  test.each([
    ['constant', 0, () => 7],
    ['linear', 1, (n: number) => 0.02 * n],
    ['quadratic', 2, (n: number) => 3 * n * n],
    ['root', 0.5, (n: number) => Math.sqrt(n)],
  ])('%s growth is %d', (_name, expected, cost) => {
    const points = [10_000, 100_000, 1_000_000].map((n): [number, number] => [n, cost(n)]);
    expect(exponent(points)).toBeCloseTo(expected, 10);
  });

  test('a line through points that lie on none', () => {
    // Slopes 0 and 2 over equal steps.
    const points: [number, number][] = [
      [1, 1],
      [10, 1],
      [100, 100],
    ];
    expect(exponent(points)).toBeCloseTo(1, 10);
  });

  test('needs two sizes and costs above zero', () => {
    expect(() => exponent([[10, 1]])).toThrow('two different sizes');
    expect(() =>
      exponent([
        [10, 0],
        [100, 1],
      ]),
    ).toThrow('above zero');
    expect(() =>
      exponent([
        [10, Number.NaN],
        [100, 1],
      ]),
    ).toThrow('above zero');
  });
});

describe('rounds', () => {
  test('every measurement once per round, one after the other', async () => {
    const calls: string[] = [];
    const measure = (name: string, values: readonly number[]) => (round: number) => {
      calls.push(`${name}${round}`);
      return values[round] as number;
    };
    const samples = await interleaved(3, { a: measure('a', [5, 1, 3]), b: async (round) => measure('b', [2, 2, 8])(round) });
    expect(calls).toEqual(['a0', 'b0', 'a1', 'b1', 'a2', 'b2']);
    expect([samples.median('a'), samples.median('b')]).toEqual([3, 2]);
    expect(samples.has('limit')).toBe(false);
  });

  test('the limit of a measurement is the mean of those before and after it', async () => {
    const limits = [1, 3, 5];
    const samples = await interleaved(1, { a: () => 4, b: () => 8 }, () => limits.shift() as number);
    expect(samples.ratio('a', limitOf('a'))).toBe(2);
    expect(samples.ratio('b', limitOf('b'))).toBe(2);
    expect(samples.median('limit')).toBe(3);
  });

  test('what cannot be measured is not there', async () => {
    const samples = await interleaved(2, { a: () => undefined });
    expect(samples.has('a')).toBe(false);
    expect(() => samples.median('a')).toThrow('the median of nothing');
  });

  test('a ratio is taken within each round, so that a slow one does not count twice', () => {
    const samples = samplesOf({ a: [2, 20, 6], limit: [1, 10, 2] });
    expect(samples.ratio('a', 'limit')).toBe(2);
  });

  test('a timed piece of work hands its answer on', async () => {
    const samples = new Samples();
    expect(await samples.time('work', async () => 'answer')).toBe('answer');
    expect(samples.median('work')).toBeGreaterThan(0);
  });
});

describe('figure', () => {
  const samples = samplesOf({ time: [3], limit: [2], peer: [6] });
  const limit = { name: 'the limit', of: 'limit' };
  const base = { name: 'the time', of: 'time', unit: 'ms' };

  test('above 1 is slower than the limit and than the peer', () => {
    expect(figure(samples, { ...base, limit, peer: 'peer' })).toMatchObject({ value: 3, ratio: 1.5, against: 'the limit', peerRatio: 0.5 });
  });

  test('also for a rate, of which more is better', () => {
    expect(figure(samples, { ...base, limit: { name: 'a copy', of: 'peer' }, isRate: true })).toMatchObject({ ratio: 2 });
  });

  test.each([
    [{ max: 3, of: 'value' } as const, true],
    [{ max: 2.9, of: 'value' } as const, false],
    [{ max: 1.5, of: 'ratio' } as const, true],
    [{ max: 1.4, of: 'ratio' } as const, false],
  ])('goal %j: met is %s', (goal, met) => {
    expect(figure(samples, { ...base, limit, goal })).toMatchObject({ goal, met });
  });

  test('what it has not is null, so that JSON keeps the layout', () => {
    const none = { ratio: null, against: null, peerRatio: null, goal: null, met: null };
    expect(figure(samples, { ...base, peer: 'no such peer' })).toEqual({ name: 'the time', value: 3, unit: 'ms', ...none });
  });

  test('growth has the same layout', () => {
    const goal = { max: 1.05, of: 'value' } as const;
    const growth = growthFigure({ name: 'growth', value: 1.1, goal });
    expect(growth).toMatchObject({ value: 1.1, goal, met: false });
    expect(Object.keys(growth).sort()).toEqual(Object.keys(figure(samples, base)).sort());
  });
});

test.each([
  [0, '0'],
  [0.00567, '0.0057'],
  [0.368, '0.368'],
  [1.5, '1.50'],
  [42.25, '42.3'],
  [1234.5, '1,235'],
])('%d is printed as %s', (value, text) => {
  expect(numberText(value)).toBe(text);
});

test('the table has a line per figure and only columns that somebody fills', () => {
  const samples = samplesOf({ limit: [0.4], time: [0.48], memory: [250] });
  const figures = [
    figure(samples, { name: 'limit', of: 'limit', unit: 'ms' }),
    figure(samples, { name: 'no files', of: 'time', unit: 'ms', limit: { name: 'C', of: 'limit' }, goal: { max: 1.25, of: 'ratio' } }),
    figure(samples, { name: 'memory', of: 'memory', unit: 'MB', goal: { max: 200, of: 'value' } }),
    growthFigure({ name: '  growth', value: 0.5, goal: { max: 1.05, of: 'value' } }),
  ];
  expect(tableText(figures)).toMatchInlineSnapshot(`
    "          value      ratio to  goal
    limit     0.400  ms
    no files  0.480  ms  1.20 x C  <= 1.25 x, met
    memory      250  MB            <= 200 MB, NOT met
      growth  0.500                <= 1.05, met"
  `);
});

test('the report: figures of what ran, the reason of what did not', () => {
  const ran = {
    name: 'server',
    title: 'the server',
    figures: [growthFigure({ name: 'wall', value: 1, goal: { max: 2, of: 'value' } })],
    notes: ['noted'],
    ms: 5,
  };
  const failed = { name: 'logs', problem: 'no room' };
  const report = reportJson({ version: '0.1.0', rounds: 3, quick: false, outcomes: [ran, failed] });
  expect(JSON.parse(JSON.stringify(report))).toEqual({
    version: '0.1.0',
    node: process.version,
    cpus: expect.any(Number),
    rounds: 3,
    quick: false,
    benches: [ran],
    failures: [failed],
  });
});
