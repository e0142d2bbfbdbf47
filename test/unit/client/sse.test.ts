/** The parser of server-sent events: chunk borders do not matter, and it reads what the API writes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type SseMessage, SseParser } from '../../../src/client/sse.ts';

const parse = (...chunks: Uint8Array[]): SseMessage[] => {
  const parser = new SseParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
};

test('blocks, comments, ids without data, line ends, several data lines', () => {
  const text =
    'id: 7\n\n: keep-alive\n\nid: 9\r\nevent: batch\r\ndata: [1]\r\n\r\ndata:a\ndata: b\nretry: 5\n\nevent: x\n\ndata: not ended\n';
  expect(parse(Buffer.from(text))).toEqual([
    { id: '7', event: '', data: null },
    { id: '9', event: 'batch', data: '[1]' },
    { id: '9', event: '', data: 'a\nb' },
    { id: '9', event: 'x', data: null },
  ]);
});

test('any messages in any chunks', () => {
  const message = fc.record({ id: fc.nat().map(String), event: fc.constantFrom('batch', 'failure'), data: fc.json() });
  fc.assert(
    fc.property(fc.array(message), fc.array(fc.nat(400)), (messages, cuts) => {
      const bytes = Buffer.from(messages.map(({ id, event, data }) => `id: ${id}\nevent: ${event}\ndata: ${data}\n\n`).join(': hm\n\n'));
      const borders = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      const chunks = borders.slice(1).map((end, i) => bytes.subarray(borders[i], end));
      expect(parse(...chunks)).toEqual(messages);
    }),
  );
});
