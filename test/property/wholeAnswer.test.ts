/** Answers read from a socket: however the bytes are cut, the same comes out, and what is missing or wrong is never taken for an answer. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TransportAnswer } from '../../src/client/transport.ts';
import { WholeAnswer } from '../../src/client/wholeAnswer.ts';

const answerText = (status: number, fields: readonly string[], body: string): Buffer =>
  Buffer.from(`HTTP/1.1 ${status} Word\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n${body}`);

async function bodyOf({ body }: TransportAnswer): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

/** Pushes the bytes in pieces that end at `cuts`. */
function pushed(bytes: Buffer, cuts: readonly number[]): { reader: WholeAnswer; answer: TransportAnswer | undefined } {
  const reader = new WholeAnswer();
  const ends = [...new Set(cuts.map((cut) => cut % bytes.length))].sort((a, b) => a - b).filter((cut) => cut > 0);
  let answer: TransportAnswer | undefined;
  let from = 0;
  for (const to of [...ends, bytes.length]) {
    expect(answer).toBeUndefined();
    answer = reader.push(bytes.subarray(from, to));
    from = to;
  }
  return { reader, answer };
}

const cuts = fc.array(fc.nat({ max: 10_000 }), { maxLength: 6 });

test('an answer with a length is whole with its last byte, however it was cut', () =>
  fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 300 }), cuts, async (text, at) => {
      const bytes = answerText(200, [`Content-Length: ${Buffer.byteLength(text)}`, 'X-Other:  a: b '], text);
      const { answer } = pushed(bytes, at);
      expect(answer).toMatchObject({ status: 200, headers: { 'x-other': 'a: b' } });
      expect(await bodyOf(answer as TransportAnswer)).toBe(text);
    }),
  ));

test('one without a length ends with the connection, one with a length may not', () =>
  fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 }), cuts, async (text, at) => {
      const open = pushed(answerText(500, [], text), at);
      expect(open.answer).toBeUndefined();
      expect(await bodyOf(open.reader.end())).toBe(text);
      const short = pushed(answerText(200, [`content-length: ${Buffer.byteLength(text) + 1}`], text), at);
      expect(() => short.reader.end()).toThrow('the connection ended before the answer');
    }),
  ));

describe('what is no answer', () => {
  test.each([
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 'the answer is not HTTP'],
    ['a status that is none', 'HTTP/1.1 99 Odd\r\n\r\n', 'the answer is not HTTP'],
    ['a length that is none', 'HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n', 'the answer does not say how long it is'],
    ['a header without a name', 'HTTP/1.1 200 OK\r\n: x\r\n\r\n', 'a header of the answer is not valid'],
    ['endless headers', `HTTP/1.1 200 OK\r\n${'x'.repeat(20_000)}`, 'the answer is not HTTP'],
  ])('%s', (_what, text, message) => {
    expect(() => new WholeAnswer().push(Buffer.from(text))).toThrow(message);
  });

  test('an end before the headers are complete', () => {
    const reader = new WholeAnswer();
    reader.push(Buffer.from('HTTP/1.1 200 OK\r\n'));
    expect(() => reader.end()).toThrow('the connection ended before the answer');
  });
});

test('an answer without content is whole with its headers', async () => {
  const { answer } = pushed(answerText(204, [], ''), []);
  expect(await bodyOf(answer as TransportAnswer)).toBe('');
});
