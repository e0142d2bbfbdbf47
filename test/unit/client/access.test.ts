/** The quick check of access files accepts nothing that the schema refuses, and the schema has the words. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isClientAccess } from '../../../src/client/access.ts';
import { type ClientAccess, clientAccess } from '../../../src/protocol/accessFile.ts';

const text = fc.string();
const good: fc.Arbitrary<ClientAccess> = fc.record({
  version: text,
  protocol: text,
  serverUid: fc.string({ minLength: 1 }),
  pid: fc.nat(),
  hostname: text,
  startedAtMs: fc.double({ noNaN: true, noDefaultInfinity: true }),
  client: fc.record({
    hosts: fc.array(fc.string({ minLength: 1 }), { minLength: 1 }),
    port: fc.integer({ min: 1, max: 65_535 }),
    token: fc.option(text),
    certificate: fc.option(text),
  }),
  socket: fc.option(fc.record({ path: text, hostname: text })),
});

test('every good one passes both', () => {
  fc.assert(
    fc.property(good, (access) => {
      expect(isClientAccess(access)).toBe(true);
      expect(clientAccess.parse(access)).toEqual(access);
    }),
  );
});

/** Paths of all values in an access file. */
function paths(value: unknown, prefix: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [prefix];
  return [prefix, ...Object.entries(value).flatMap(([key, inner]) => paths(inner, [...prefix, key]))];
}

test('with any value replaced or removed, the quick check agrees with the schema', () => {
  const spoiled = fc.tuple(
    good,
    fc.nat(),
    fc.oneof(fc.constant(undefined), fc.constantFrom(null, '', 0, -1, 1.5, 65_536, 1e300, true, [], {}, ['']), fc.anything()),
  );
  const seen = { accepted: 0, refused: 0 };
  fc.assert(
    fc.property(spoiled, ([access, pick, value]) => {
      const copy = structuredClone(access) as unknown as Record<string, unknown>;
      const all = paths(copy).slice(1);
      const path = all[pick % all.length] as string[];
      const parent = path.slice(0, -1).reduce((node, key) => node[key] as Record<string, unknown>, copy);
      const last = path.at(-1) as string;
      if (value === undefined) delete parent[last];
      else parent[last] = value;
      // As it would be read from a file.
      const read: unknown = JSON.parse(JSON.stringify(copy));
      const accepted = isClientAccess(read);
      seen[accepted ? 'accepted' : 'refused'] += 1;
      expect([accepted, JSON.stringify(path)]).toEqual([clientAccess.safeParse(read).success, JSON.stringify(path)]);
    }),
    { numRuns: 2_000 },
  );
  expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(10);
});
