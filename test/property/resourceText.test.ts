/** Whatever somebody types as a descriptor, a request or a coupling is understood or refused in one line, and never anything else. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { makeWorkerResources, parseCoupling } from '../../src/common/coupling.ts';
import { formatEntry, parseEntry } from '../../src/common/requestText.ts';
import { parseResourceDescriptor } from '../../src/common/resourceDescriptor.ts';
import { HqError } from '../../src/protocol/errors.ts';
import { type ResourceDescriptor, workerResources } from '../../src/protocol/schema/resources.ts';
import { ResourcePool } from '../../src/resources/pool.ts';

const numRuns = Number(process.env.HQ_PROPERTY_RUNS ?? 500);

const piece = fc.constantFrom(
  ...['[', ']', '[[', ']]', '],[', ',', '-', ' ', '"', "'", '(', ')', 'x', '.', '_', '0', '1', '7', '12', '3-5', '99999999999'],
  ...['sum(', 'range(', 'related', 'all', 'compact', 'tight!', 'scatter', 'GiB', 'a', 'é', ':', '=', 'cpus[0]', 'gpus[1]'],
);
const typed = fc.oneof(
  fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
  fc.string(),
);
const name = fc.constantFrom('cpus', 'gpus', 'gpus/nvidia', 'mem', 'licenses', '9', '');

/** The value, or undefined for a refusal in one line. */
function tried<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof HqError)) throw error;
    expect(error.exitCode).toBe(2);
    // What was typed is repeated as it is.
    expect(error.message.replaceAll(/'.*'/gs, '')).not.toContain('\n');
    return undefined;
  }
}

const size = (descriptor: ResourceDescriptor): number =>
  new ResourcePool({ resources: [descriptor], coupling: { weights: [] } }).totalUnits(0);

test('descriptors', () => {
  fc.assert(
    fc.property(name, typed, (resource, text) => {
      const parsed = tried(() => parseResourceDescriptor(resource, text));
      if (parsed === undefined) return;
      const { descriptor } = parsed;
      expect(workerResources.parse({ resources: [descriptor] }).resources).toEqual([descriptor]);
      expect(size(descriptor)).toBeGreaterThan(0);
      if (descriptor.kind === 'groups') expect(new Set(descriptor.groups.flat()).size).toBe(descriptor.groups.flat().length);
    }),
    { numRuns },
  );
});

test('requests are shown as they are read', () => {
  fc.assert(
    fc.property(name, typed, (resource, text) => {
      const entry = tried(() => parseEntry(resource, text));
      if (entry === undefined) return;
      expect(entry.policy === 'all' || (entry.units > 0 && Number.isSafeInteger(entry.units))).toBe(true);
      expect(parseEntry(resource, formatEntry(entry))).toEqual(entry);
    }),
    { numRuns },
  );
});

test('couplings', () => {
  const groups = (resource: string): ResourceDescriptor => ({ name: resource, kind: 'groups', groups: [['0'], ['1']] });
  const provided = ['cpus', 'gpus'].map((resource) => ({ descriptor: groups(resource), related: false }));
  const index = fc.integer({ min: 0, max: 2 });
  const pair = fc
    .tuple(fc.constantFrom('cpus', 'gpus', 'mem'), index, fc.constantFrom('cpus', 'gpus'), index, fc.option(fc.nat({ max: 70_000 })))
    .map(([first, a, second, b, weight]) => `${first}[${a}]:${second}[${b}]${weight === null ? '' : `=${weight}`}`);
  const text = fc.oneof(
    typed,
    fc.array(pair, { maxLength: 4 }).map((pairs) => pairs.join(',')),
  );
  fc.assert(
    fc.property(text, (coupling) => {
      const made = tried(() => makeWorkerResources(provided, parseCoupling(coupling)));
      if (made === undefined) return;
      expect(workerResources.parse(made)).toEqual(made);
      expect(made.coupling.weights).toHaveLength(coupling.split(',').length);
      for (const one of made.coupling.weights) expect(one.resource1_idx).not.toBe(one.resource2_idx);
    }),
    { numRuns },
  );
});
