/** The Castagnoli polynomial, bits reversed (RFC 3720, section 12.1). */
const POLYNOMIAL = 0x82f63b78;

/** Bytes that are taken at once. */
const STRIDE = 8;

/** Remainders of a byte, and in the 256 entries behind them those of a byte with one more zero byte behind it, and so on. */
const TABLE = new Int32Array(256 * STRIDE);
for (let byte = 0; byte < 256; byte++) {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ POLYNOMIAL : remainder >>> 1;
  TABLE[byte] = remainder;
}
for (let at = 256; at < TABLE.length; at++) {
  const before = TABLE[at - 256]!;
  TABLE[at] = (before >>> 8) ^ TABLE[before & 0xff]!;
}

/** CRC-32C of the bytes, or of a part of them, 0 to 2^32 - 1. */
export const crc32c = (bytes: Uint8Array, from = 0, to = bytes.length): number => {
  let remainder = -1;
  let index = from;
  for (const last = to - STRIDE; index <= last; index += STRIDE) {
    remainder =
      TABLE[0x700 + ((remainder ^ bytes[index]!) & 0xff)]! ^
      TABLE[0x600 + (((remainder >>> 8) ^ bytes[index + 1]!) & 0xff)]! ^
      TABLE[0x500 + (((remainder >>> 16) ^ bytes[index + 2]!) & 0xff)]! ^
      TABLE[0x400 + ((remainder >>> 24) ^ bytes[index + 3]!)]! ^
      TABLE[0x300 + bytes[index + 4]!]! ^
      TABLE[0x200 + bytes[index + 5]!]! ^
      TABLE[0x100 + bytes[index + 6]!]! ^
      TABLE[bytes[index + 7]!]!;
  }
  for (; index < to; index++) remainder = (remainder >>> 8) ^ TABLE[(remainder ^ bytes[index]!) & 0xff]!;
  return (remainder ^ 0xffffffff) >>> 0;
};
