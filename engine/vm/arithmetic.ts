/** The operations on 64 bits that do not come down to a few 32-bit ones. `r` holds registers as halves, low first. */

/** dst *= src, by schoolbook multiplication of 16-bit digits. */
export function multiply64(r: Int32Array, dst: number, src: number): void {
  const a = r[dst]!;
  const b = r[src]!;
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const low = a0 * b0;
  const middle = a1 * b0 + (low >>> 16);
  const carry = a0 * b1 + (middle & 0xffff);
  const high = a1 * b1 + (middle >>> 16) + (carry >>> 16);
  r[dst + 1] = high + Math.imul(a, r[src + 1]!) + Math.imul(r[dst + 1]!, b);
  r[dst] = Math.imul(a, b);
}

/** dst /= src, unsigned; 0 by zero. */
export function divide64(r: Int32Array, R: BigUint64Array, dst: number, src: number): void {
  if (r[dst + 1] === 0 && r[src + 1] === 0) {
    const divisor = r[src]! >>> 0;
    r[dst] = divisor === 0 ? 0 : (r[dst]! >>> 0) / divisor;
    return;
  }
  const divisor = R[src >> 1]!;
  R[dst >> 1] = divisor === 0n ? 0n : R[dst >> 1]! / divisor;
}

/** dst %= src, unsigned; by zero dst stays. */
export function modulo64(r: Int32Array, R: BigUint64Array, dst: number, src: number): void {
  if (r[dst + 1] === 0 && r[src + 1] === 0) {
    const divisor = r[src]! >>> 0;
    if (divisor !== 0) r[dst] = (r[dst]! >>> 0) % divisor;
    return;
  }
  const divisor = R[src >> 1]!;
  if (divisor !== 0n) R[dst >> 1] = R[dst >> 1]! % divisor;
}

/** dst /= src, signed, towards zero; 0 by zero, and the least number by -1 is itself. */
export function signedDivide64(R: BigUint64Array, dst: number, src: number): void {
  const divisor = BigInt.asIntN(64, R[src >> 1]!);
  R[dst >> 1] = divisor === 0n ? 0n : BigInt.asIntN(64, R[dst >> 1]!) / divisor;
}

/** dst %= src with the sign of dst; by zero dst stays. */
export function signedModulo64(R: BigUint64Array, dst: number, src: number): void {
  const divisor = BigInt.asIntN(64, R[src >> 1]!);
  if (divisor !== 0n) R[dst >> 1] = BigInt.asIntN(64, R[dst >> 1]!) % divisor;
}

const swap32 = (word: number): number =>
  (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);

/** Clears the bits of dst above `width`, and reverses the bytes below where `swap` says so. */
export function byteOrder(r: Int32Array, dst: number, width: number, swap: boolean): void {
  const low = r[dst]!;
  if (width === 64) {
    if (!swap) return;
    r[dst] = swap32(r[dst + 1]!);
    r[dst + 1] = swap32(low);
    return;
  }
  if (width === 32) r[dst] = swap ? swap32(low) : low;
  else r[dst] = swap ? swap32(low) >>> 16 : low & 0xffff;
  r[dst + 1] = 0;
}

/** One atomic operation (RFC 9669, section 5.3) on the 4 or 8 bytes at `place`: the machine runs one program at a time, so it is plain. */
export function atomic(view: DataView, place: number, bits: 32 | 64, r: Int32Array, src: number, imm: number): void {
  const oldLow = view.getInt32(place, true);
  const oldHigh = bits === 64 ? view.getInt32(place + 4, true) : 0;
  let low = r[src]!;
  let high = r[src + 1]!;
  switch (imm & 0xf0) {
    case 0x00: // add
      low = (oldLow + low) | 0;
      high = oldHigh + high + (low >>> 0 < oldLow >>> 0 ? 1 : 0);
      break;
    case 0x40: // or
      low |= oldLow;
      high |= oldHigh;
      break;
    case 0x50: // and
      low &= oldLow;
      high &= oldHigh;
      break;
    case 0xa0: // xor
      low ^= oldLow;
      high ^= oldHigh;
      break;
    case 0xf0: // cmpxchg
      if (oldLow !== r[0] || (bits === 64 && oldHigh !== r[1])) {
        low = oldLow;
        high = oldHigh;
      }
      break;
  }
  view.setInt32(place, low, true);
  if (bits === 64) view.setInt32(place + 4, high, true);
  if ((imm & 1) === 0) return;
  const fetched = imm === 0xf1 ? 0 : src;
  r[fetched] = oldLow;
  r[fetched + 1] = oldHigh;
}
