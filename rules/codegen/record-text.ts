const decoder = new TextDecoder();

/** Up to so many bytes a loop is faster than TextDecoder. */
const SHORT_TEXT = 10;

/** Where texts are copied to: TextDecoder takes no memory that others may share, and a copy's own memory would cost more than the rest. */
const scratch = new Uint8Array(1024);

const decoded = (bytes: Uint8Array): string => {
  if (bytes.length > scratch.length) return decoder.decode(bytes.slice());
  scratch.set(bytes);
  return decoder.decode(scratch.subarray(0, bytes.length));
};

/** The text in some bytes, as UTF-8. */
export const textAt = (bytes: Uint8Array, from: number, to: number): string => {
  if (to - from > SHORT_TEXT) return decoded(bytes.subarray(from, to));
  let text = '';
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0x80) return decoded(bytes.subarray(from, to));
    text += String.fromCharCode(byte);
  }
  return text;
};
