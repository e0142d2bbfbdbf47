import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeFrame, FrameParser } from '../../src/protocol/framing.ts';

const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });

test('frames split at any bytes come back as they were', () => {
  fc.assert(
    fc.property(bodies, fc.array(fc.nat({ max: 9 }), { minLength: 1 }), (sent, cuts) => {
      const stream = Buffer.concat(sent.map((body) => encodeFrame(body)));
      const parser = new FrameParser();
      const received: Buffer[] = [];
      let at = 0;
      for (let i = 0; at < stream.length; i += 1) {
        const size = 1 + (cuts[i % cuts.length] as number);
        parser.push(stream.subarray(at, at + size));
        at += size;
        for (let body = parser.next(); body !== undefined; body = parser.next()) received.push(body);
      }
      expect(received.map((body) => body.toString('hex'))).toEqual(sent.map((body) => Buffer.from(body).toString('hex')));
      expect(parser.atFrameEnd).toBe(true);
    }),
  );
});

test('a large frame in pieces of any size comes back whole', () => {
  const body = Buffer.alloc(300_000, 'hyperqueue');
  const stream = encodeFrame(body);
  fc.assert(
    fc.property(fc.integer({ min: 1000, max: 200_000 }), (size) => {
      const parser = new FrameParser(1_000_000);
      let found: Buffer | undefined;
      for (let at = 0; at < stream.length; at += size) {
        expect(found).toBeUndefined();
        parser.push(stream.subarray(at, at + size));
        found = parser.next();
      }
      expect(found?.equals(body)).toBe(true);
    }),
  );
});

test('no input makes the parser do anything but answer or refuse with HQ_E_PROTOCOL', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 30 })), (chunks) => {
      const parser = new FrameParser(16);
      try {
        for (const chunk of chunks) {
          parser.push(Buffer.from(chunk));
          for (let body = parser.next(); body !== undefined; body = parser.next()) expect(body.length).toBeLessThanOrEqual(16);
        }
      } catch (error) {
        expect(error).toMatchObject({ code: 'HQ_E_PROTOCOL' });
      }
    }),
  );
});
