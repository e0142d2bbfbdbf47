import { expect, test } from 'vitest';
import { encodeFrame, FrameParser } from '../../../src/protocol/framing.ts';

test('a frame is a little-endian length and the body', () => {
  expect(encodeFrame(Buffer.from('abc')).toString('hex')).toBe('03000000616263');
});

test('an oversized frame is refused by its header alone, with both sizes', () => {
  const parser = new FrameParser(10);
  parser.push(Buffer.from([11, 0, 0]));
  expect(parser.next()).toBeUndefined();
  parser.push(Buffer.from([0]));
  expect(() => parser.next()).toThrow('protocol error: a frame of 11 bytes is larger than the limit of 10 bytes');
});

test('the limit may be raised between two frames of one chunk', () => {
  const parser = new FrameParser(3);
  parser.push(Buffer.concat([encodeFrame(Buffer.from('abc')), encodeFrame(Buffer.from('abcdef'))]));
  expect(parser.next()?.toString()).toBe('abc');
  parser.setLimit(6);
  expect(parser.next()?.toString()).toBe('abcdef');
  expect(parser.atFrameEnd).toBe(true);
});

test('an empty frame is a frame', () => {
  const parser = new FrameParser();
  parser.push(Buffer.from([0, 0, 0, 0]));
  expect(parser.next()?.length).toBe(0);
  expect(parser.next()).toBeUndefined();
});

test('a body larger than the encoder may send is refused', () => {
  expect(() => encodeFrame(new Uint8Array(32 * 1024 * 1024 + 1))).toThrow('33554433 bytes is larger');
});
