import { describe, expect, test } from 'vitest';
import { formatEntry, parseEntry, parseRequest, parseResourceArgument, refuseOverlaps } from '../../../src/common/requestText.ts';
import { HqError } from '../../../src/protocol/errors.ts';
import { requestSpec } from '../../../src/protocol/schema/resources.ts';

/** A specification with the defaults that the schema gives it. */
const spec = (value: object) => requestSpec.parse(value);

function refusal(run: () => unknown): HqError {
  try {
    run();
  } catch (error) {
    if (error instanceof HqError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('one resource', () => {
  test.each<[string, number | string, object]>([
    ['cpus', 2, { policy: 'compact', units: 20_000 }],
    ['cpus', 0.5, { policy: 'compact', units: 5_000 }],
    ['cpus', '4 compact!', { policy: 'compact!', units: 40_000 }],
    ['cpus', '4   scatter', { policy: 'scatter', units: 40_000 }],
    ['cpus', 'all', { policy: 'all', units: 0 }],
    ['cpus', 'ALL', { policy: 'all', units: 0 }],
    ['cpus', '2-8', { policy: 'compact', units: 20_000, maxUnits: 80_000 }],
    ['cpus', '2-8 tight', { policy: 'tight', units: 20_000, maxUnits: 80_000 }],
    ['cpus', '4-4', { policy: 'compact', units: 40_000 }],
    ['licenses', '5_000', { policy: 'compact', units: 50_000_000 }],
    ['mem', '4GiB', { policy: 'compact', units: 4096 * 10_000 }],
    ['mem', 100, { policy: 'compact', units: 1_000_000 }],
    ['mem', '1GiB-2GiB', { policy: 'compact', units: 1024 * 10_000, maxUnits: 2048 * 10_000 }],
  ])('%s=%s', (name, written, entry) => {
    expect(parseEntry(name, written)).toEqual({ name, ...entry });
  });

  test.each<[string, number | string, RegExp]>([
    ['cpus', '-1', /'cpus=-1'/],
    ['cpus', '0', /'cpus=0': the amount must be above zero/],
    ['cpus', '0-4', /above zero/],
    ['cpus', '8-2', /the range ends before it starts/],
    ['cpus', '2-', /'2-' is not an amount/],
    ['cpus', '2 loose', /'loose' is no policy/],
    ['cpus', '2 all', /'all' is no policy/],
    ['cpus', '2 compact tight', /'compact tight' is no policy/],
    ['cpus', '0.12345', /more than 4 decimals/],
    ['cpus', 1e-7, /'cpus=1e-7'/],
    ['cpus', '4GiB', /'4GiB' is not an amount/],
    ['mem', '4 parsecs', /'parsecs' is no policy/],
    ['mem', '999999999TiB', /'999999999TiB' is too large/],
    ['cpus', '999999999999', /'999999999999' is too large/],
    ['mem', '4pc', /'4pc' is not a size/],
    ['9lives', 1, /'9lives' is not a resource name/],
    ['', 1, /not a resource name/],
  ])('%s=%s is refused in one line', (name, written, text) => {
    const error = refusal(() => parseEntry(name, written));
    expect(error.code).toBe('HQ_E_RESOURCE_REQUEST');
    expect(error.exitCode).toBe(2);
    expect(error.message).toMatch(text);
    expect(error.message).not.toContain('\n');
  });

  test.each([
    ['cpus', '2-8 tight'],
    ['cpus', 'all'],
    ['gpus', '0.5 compact'],
  ])('%s=%s is shown as it is read', (name, text) => {
    expect(formatEntry(parseEntry(name, text))).toBe(text);
  });
});

describe('a whole request', () => {
  test('asks for one CPU when nothing is said, and for nothing when nothing is asked for', () => {
    expect(parseRequest([spec({})]).variants[0]?.entries).toEqual([{ name: 'cpus', policy: 'compact', units: 10_000 }]);
    expect(parseRequest([spec({ resources: {} })]).variants[0]?.entries).toEqual([]);
  });

  test('sorts by name and keeps the order of the variants, with time and weight', () => {
    const { variants } = parseRequest([
      spec({ resources: { gpus: 1, cpus: 4 }, timeRequestMs: 60_000, weight: 2.5 }),
      spec({ resources: { cpus: 16 } }),
    ]);
    expect(variants.map(({ entries }) => entries.map(({ name }) => name))).toEqual([['cpus', 'gpus'], ['cpus']]);
    expect(variants[0]).toMatchObject({ nodes: 0, minTimeMs: 60_000, weight: 25_000 });
  });

  test('a weight that cannot be told from nothing is refused', () => {
    expect(parseRequest([spec({ weight: 0.0001 })]).variants[0]?.weight).toBe(1);
    expect(() => spec({ weight: 0.00001 })).toThrow('>=0.0001');
  });

  test('whole nodes come without single resources', () => {
    expect(parseRequest([spec({ nodes: 3 })]).variants).toEqual([{ nodes: 3, minTimeMs: 0, weight: 10_000, entries: [] }]);
    expect(refusal(() => parseRequest([spec({ nodes: 2, resources: { cpus: 1 } })])).message).toMatch(/nodes=2.*whole nodes/);
    expect(refusal(() => parseRequest([spec({ nodes: 2 }), spec({})])).message).toMatch(/cannot be mixed/);
  });
});

test('NAME=AMOUNT on the command line', () => {
  expect(parseResourceArgument('gpus=0.5')).toEqual(['gpus', '0.5']);
  expect(parseResourceArgument(' gpus/nvidia = 2 compact! ')).toEqual(['gpus/nvidia', '2 compact!']);
  for (const text of ['gpus', '=1', '', 'gpus=', 'gpus=x'])
    expect(refusal(() => parseResourceArgument(text)).code).toBe('HQ_E_RESOURCE_REQUEST');
});

describe('one thing under two names', () => {
  test.each([
    [{ gpus: 1, 'gpus/nvidia': 1 }, "'gpus, gpus/nvidia': 'gpus/nvidia' is part of 'gpus'"],
    [{ cpus: 1, gpus: '0.5', 'gpus/amd': 'all' }, "'cpus, gpus, gpus/amd': 'gpus/amd' is part of 'gpus'"],
  ])('%j is refused', (resources, text) => {
    const error = refusal(() => refuseOverlaps(parseRequest([spec({}), spec({ resources })])));
    expect([error.code, error.exitCode]).toEqual(['HQ_E_RESOURCE_REQUEST', 2]);
    expect(error.message).toContain(text);
  });

  test('is none in different variants, or of different vendors', () => {
    refuseOverlaps(parseRequest([spec({ resources: { gpus: 1 } }), spec({ resources: { 'gpus/nvidia': 1, 'gpus/amd': 1 } })]));
  });
});
