/** Numbers as text (kernel/bpf/helpers.c, __bpf_strtoull; lib/kstrtox.c). */

/** The kernel looks at the first 63 characters after white space and sign. */
const MAX_DIGITS = 63;
const isSpace = (byte: number | undefined): boolean =>
  byte !== undefined && ((byte >= 9 && byte <= 13) || byte === 32 || byte === 0xa0);

/** What a number at the start of `text` is, and how many bytes it takes; or why it is none. */
export type ParsedNumber =
  | { readonly value: bigint; readonly negative: boolean; readonly bytes: number }
  | 'invalid'
  | 'overflow';

/** @param base 8, 10, 16, or 0 for what the prefix says */
export function parseNumber(text: Uint8Array, base: number): ParsedNumber {
  let at = 0;
  while (at < text.length && isSpace(text[at])) at++;
  const negative = text[at] === 0x2d;
  if (negative) at++;
  if (at >= text.length) return 'invalid';
  const digits = new TextDecoder('latin1').decode(text.subarray(at, at + MAX_DIGITS));
  const hex = /^0x/i.test(digits);
  const radix = base !== 0 ? base : /^0x[0-9a-f]/i.test(digits) ? 16 : digits.startsWith('0') ? 8 : 10;
  const skip = radix === 16 && hex ? 2 : 0;
  const allowed = { 8: /^[0-7]*/, 10: /^\d*/, 16: /^[\da-f]*/i }[radix] ?? /^/;
  const found = allowed.exec(digits.slice(skip))?.[0] ?? '';
  if (found === '') return 'invalid';
  const value = BigInt(radix === 8 ? `0o${found}` : radix === 16 ? `0x${found}` : found);
  return value >= 2n ** 64n ? 'overflow' : { value, negative, bytes: at + skip + found.length };
}
