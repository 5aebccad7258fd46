/** JHASH_INITVAL (include/linux/jhash.h). */
const INITIAL = 0xdeadbeef;

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

/**
 * The kernel's jhash and jhash2 (include/linux/jhash.h: Bob Jenkins' lookup3) of `length` bytes at `offset`, unsigned 32 bits; on
 * little-endian machines both give the same.
 */
export function jhash(view: DataView, offset: number, length: number, seed: number): number {
  let a = (INITIAL + length + seed) | 0;
  let b = a;
  let c = a;
  let at = offset;
  let left = length;
  for (; left > 12; left -= 12, at += 12) {
    a = (a + view.getInt32(at, true)) | 0;
    b = (b + view.getInt32(at + 4, true)) | 0;
    c = (c + view.getInt32(at + 8, true)) | 0;
    a = (a - c) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = (a - c) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 4);
    b = (b + a) | 0;
  }
  if (left === 0) return c >>> 0;
  if (left > 8) c = (c + (left === 12 ? view.getInt32(at + 8, true) : rest(view, at + 8, left - 8))) | 0;
  if (left > 4) b = (b + (left >= 8 ? view.getInt32(at + 4, true) : rest(view, at + 4, left - 4))) | 0;
  a = (a + (left >= 4 ? view.getInt32(at, true) : rest(view, at, left))) | 0;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  c = ((c ^ b) - rotate(b, 24)) | 0;
  return c >>> 0;
}

/** The last 1 to 3 bytes as a number. */
function rest(view: DataView, at: number, length: number): number {
  let value = 0;
  for (let i = length - 1; i >= 0; i--) value = (value << 8) | view.getUint8(at + i);
  return value;
}
