import { crc32 as nativeCrc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { crc32 } from '../../../src/common/crc32.ts';
import {
  decodeIdentity,
  decodeRecordHeader,
  encodeIdentity,
  encodeRecordHeader,
  HEADER_BYTES,
  MAX_PAYLOAD_BYTES,
  type RecordHeader,
} from '../../../src/outputlog/format.ts';
import { furtherNames, parseLogName } from '../../../src/outputlog/names.ts';

const HEADER: RecordHeader = {
  offset: 8,
  type: 2,
  code: 1,
  taskId: 42,
  instance: 3,
  timeMs: 1_790_000_000_123,
  length: 11,
  payloadCrc: 0xdeadbeef,
};

function encoded(header: RecordHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  encodeRecordHeader(bytes, 0, header);
  return bytes;
}

describe('record header', () => {
  test('layout', () => {
    expect(encoded(HEADER).toString('hex').match(/.{8}/g)).toMatchInlineSnapshot(`
      [
        "f54851fa",
        "02010000",
        "2a000000",
        "03000000",
        "7b6c50c4",
        "a0010000",
        "0b000000",
        "efbeadde",
        "99f8c8dd",
      ]
    `);
  });

  test('comes back, also far into a file and with the largest ids', () => {
    for (const offset of [8, 2 ** 32, 2 ** 32 + 8, 2 ** 45]) {
      const header = { ...HEADER, offset, taskId: 2 ** 32 - 1, instance: 2 ** 32 - 1 };
      expect(decodeRecordHeader(encoded(header), 0, offset)).toEqual(header);
    }
  });

  test('is not believed at another offset, with a flipped bit, cut or too long', () => {
    const bytes = encoded(HEADER);
    expect(decodeRecordHeader(bytes, 0, 9)).toBeUndefined();
    expect(decodeRecordHeader(bytes.subarray(0, 35), 0, 8)).toBeUndefined();
    expect(decodeRecordHeader(encoded({ ...HEADER, length: MAX_PAYLOAD_BYTES + 1 }), 0, 8)).toBeUndefined();
    for (let bit = 0; bit < HEADER_BYTES * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(decodeRecordHeader(flipped, 0, 8)).toBeUndefined();
    }
  });
});

test('identity: fields are checked, unknown ones ignored', () => {
  const identity = { serverUid: 'u', jobId: 1, workerId: 2, session: 's', startedMs: 3 };
  expect(decodeIdentity(encodeIdentity(identity))).toEqual(identity);
  expect(decodeIdentity(Buffer.from(JSON.stringify({ ...identity, more: 1 })))).toEqual(identity);
  for (const text of ['', 'null', '[]', '{', JSON.stringify({ ...identity, jobId: '1' }), JSON.stringify({ ...identity, session: 1 })]) {
    expect(decodeIdentity(Buffer.from(text))).toBeUndefined();
  }
});

test('crc32 is that of zlib, in one go and continued', () => {
  const data = Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 7) & 0xff));
  for (const end of [0, 1, 32, 95, 96, 97, 300]) {
    expect(crc32(data, { start: 0, end })).toBe(nativeCrc32(data.subarray(0, end)));
    expect(crc32(data, { start: 0, end, seed: 0xfffffff0 })).toBe(nativeCrc32(data.subarray(0, end), 0xfffffff0));
  }
});

describe('file names', () => {
  test('which are logs', () => {
    expect(parseLogName('job-3.log')).toEqual({ jobId: 3, first: true });
    expect(parseLogName('job-3-Wi1AgQ.log')).toEqual({ jobId: 3, first: true });
    expect(parseLogName('job-3.log.w12')).toEqual({ jobId: 3, first: false });
    expect(parseLogName('job-3-Wi1AgQ.log.w12.2')).toEqual({ jobId: 3, first: false });
    for (const name of ['job-3', 'job-x.log', 'job-3.log.gz', 'job-3.log.w', 'myjob-3.log', 'job-3.log~', 'abc.hqs']) {
      expect(parseLogName(name)).toBeUndefined();
    }
  });

  test('every name tried is one that a reader finds', () => {
    for (const owner of ['same server', 'other server', 'unknown'] as const) {
      const names = furtherNames({ jobId: 7, serverUid: '../x y', workerId: 4, owner });
      for (let n = 0; n < 5; n++) expect(parseLogName(names.next().value as string)?.jobId).toBe(7);
    }
  });
});
