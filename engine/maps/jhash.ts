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
  a = (a + word(view, at, left)) | 0;
  b = (b + word(view, at + 4, left - 4)) | 0;
  c = (c + word(view, at + 8, left - 8)) | 0;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  c = ((c ^ b) - rotate(b, 24)) | 0;
  return c >>> 0;
}

/** The next up to 4 of `left` bytes as a number; 0 where there are none left. */
function word(view: DataView, at: number, left: number): number {
  if (left >= 4) return view.getInt32(at, true);
  let value = 0;
  for (let i = left - 1; i >= 0; i--) value = (value << 8) | view.getUint8(at + i);
  return value;
}
