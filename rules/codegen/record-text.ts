const decoder = new TextDecoder();

/** Most texts are short and ASCII, for which a loop is faster than TextDecoder. */
const SHORT_TEXT = 64;

/** A text that is taken out of memory that others share has to be copied first (TextDecoder.decode). */
const decoded = (bytes: Uint8Array, from: number, to: number): string => decoder.decode(bytes.slice(from, to));

/** The text in some bytes, as UTF-8. */
export const textAt = (bytes: Uint8Array, from: number, to: number): string => {
  if (to - from > SHORT_TEXT) return decoded(bytes, from, to);
  let text = '';
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0x80) return decoded(bytes, from, to);
    text += String.fromCharCode(byte);
  }
  return text;
};
