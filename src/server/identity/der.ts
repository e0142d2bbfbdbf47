/**
 * The few forms of DER (ITU-T X.690) of which the certificate of an identity consists. A library for certificates costs a server's first start a quarter of its
 * time, for one certificate of a fixed form. Used by `certificate.ts`. Pure.
 */

/** Tags of X.690, 8; constructed ones where the type is. */
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Dates from this year on have the longer form (RFC 5280, 4.1.2.5). */
const GENERALIZED_TIME_YEAR = 2050;

/** @param tag one byte @param parts the content, in order */
export function tagged(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag, ...lengthBytes(content.length)]), content]);
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => tagged(TAG.sequence, ...parts);
export const set = (...parts: readonly Uint8Array[]): Buffer => tagged(TAG.set, ...parts);
export const octetString = (bytes: Uint8Array): Buffer => tagged(TAG.octetString, bytes);
export const utf8String = (text: string): Buffer => tagged(TAG.utf8String, Buffer.from(text));
export const boolean = (value: boolean): Buffer => tagged(TAG.boolean, Buffer.from([value ? 0xff : 0]));

/** @param bytes a number without sign, most significant byte first */
export function integer(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  // A leading one would be a sign.
  return tagged(TAG.integer, Buffer.from((digits[0] as number) >= 0x80 ? [0] : []), digits);
}

/** @param unused bits at the end of the last byte that do not count */
export function bitString(bytes: Uint8Array, unused = 0): Buffer {
  return tagged(TAG.bitString, Uint8Array.of(unused), bytes);
}

/** @param text `1.2.840.10045.4.3.2` */
export function objectIdentifier(text: string): Buffer {
  const [first, second, ...others] = text.split('.').map(Number) as [number, number, ...number[]];
  return tagged(TAG.objectIdentifier, Buffer.from([first * 40 + second, ...others].flatMap(base128)));
}

/** @param ms Unix milliseconds; parts of a second are dropped */
export function time(ms: number): Buffer {
  const date = new Date(ms);
  const digits = date.toISOString().replace(/\.\d+/, '').replace(/[-:T]/g, '');
  if (date.getUTCFullYear() >= GENERALIZED_TIME_YEAR) return tagged(TAG.generalizedTime, Buffer.from(digits));
  return tagged(TAG.utcTime, Buffer.from(digits.slice(2)));
}

function lengthBytes(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 + bytes.length, ...bytes];
}

/** Seven bits a byte, the last one without the highest bit. */
function base128(value: number): number[] {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift(0x80 + (rest % 128));
  return bytes;
}
