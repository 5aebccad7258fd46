/** A network or single address: 4 or 16 bytes and a prefix length in bits. */
export interface Network {
  readonly bytes: Uint8Array;
  readonly prefix: number;
}

const DECIMAL = /^(?:0|[1-9]\d{0,2})$/;
const GROUP = /^[0-9A-Fa-f]{1,4}$/;

const parseIpv4 = (text: string): number[] | undefined => {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => DECIMAL.test(part) && Number(part) <= 255)) return undefined;
  return parts.map(Number);
};

/** The bytes of groups; the last may be an IPv4 address where the groups end the address. */
const parseGroups = (text: string, isLast: boolean): number[] | undefined => {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    const embedded = isLast && index === groups.length - 1 ? parseIpv4(group) : undefined;
    if (embedded !== undefined) bytes.push(...embedded);
    else if (GROUP.test(group)) bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff);
    else return undefined;
  }
  return bytes;
};

const parseIpv6 = (text: string): number[] | undefined => {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, index) => parseGroups(half, index === halves.length - 1));
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  if (tail === undefined) return head.length === 16 ? head : undefined;
  const missing = 16 - head.length - tail.length;
  return missing < 2 ? undefined : [...head, ...new Array<number>(missing).fill(0), ...tail];
};

const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** The 4 or 16 bytes of an address in text; an IPv4 address mapped into IPv6 (`::ffff:a.b.c.d`) gives its 4 bytes. */
export const parseAddress = (text: string): Uint8Array | undefined => {
  const bytes = text.includes(':') ? parseIpv6(text) : parseIpv4(text);
  if (bytes === undefined) return undefined;
  const mapped = bytes.length === 16 && MAPPED.every((byte, index) => bytes[index] === byte);
  return Uint8Array.from(mapped ? bytes.slice(12) : bytes);
};

/** An address or `address/prefix`; bits beyond the prefix are cleared. */
export const parseNetwork = (text: string): Network | undefined => {
  const slash = text.indexOf('/');
  const bytes = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (bytes === undefined) return undefined;
  const bits = bytes.length * 8;
  if (slash < 0) return { bytes, prefix: bits };
  const digits = text.slice(slash + 1);
  if (!DECIMAL.test(digits)) return undefined;
  const prefix = Number(digits) - (bits === 32 && text.includes(':') ? 96 : 0);
  if (prefix < 0 || prefix > bits) return undefined;
  return { bytes: bytes.map((byte, index) => byte & prefixMask(prefix, index)), prefix };
};

const prefixMask = (prefix: number, index: number): number =>
  (0xff << (8 - Math.min(8, Math.max(0, prefix - index * 8)))) & 0xff;

/** Whether an address lies in a network; addresses of the other family never do. */
export const inNetwork = (address: Uint8Array, { bytes, prefix }: Network): boolean =>
  address.length === bytes.length &&
  bytes.every((byte, index) => ((address[index] ?? 0) & prefixMask(prefix, index)) === byte);

/** The text form of 4 or 16 bytes; IPv6 as RFC 5952 writes it. */
export const addressText = (bytes: Uint8Array): string => {
  if (bytes.length === 4) return bytes.join('.');
  const words = Array.from({ length: 8 }, (_, index) => ((bytes[index * 2] ?? 0) << 8) | (bytes[index * 2 + 1] ?? 0));
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff)
    return `::ffff:${bytes.subarray(12).join('.')}`;
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && words[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const text = (part: readonly number[]): string => part.map((word) => word.toString(16)).join(':');
  if (best.length < 2) return text(words);
  return `${text(words.slice(0, best.start))}::${text(words.slice(best.start + best.length))}`;
};
