type Token =
  | 'u8'
  | 'u16'
  | 'u32'
  | 'u64'
  | 's8'
  | 's16'
  | 's32'
  | 's64'
  | 'be16'
  | 'be32'
  | `c${number}`
  | `x${number}`;

const sizeOf = (token: Token): number =>
  token.startsWith('c') || token.startsWith('x') ? Number(token.slice(1)) : Number(token.replace(/\D+/, '')) / 8;

const tokens = (format: string): Token[] => format.split(' ') as Token[];

/** Bytes of a packed C struct, little endian: `u8` to `s64`, `be16` and `be32` in network order, `c16` a text of 16 bytes, `x4` zeroes (which take no value). */
export function pack(format: string, ...values: readonly (number | bigint | string | Uint8Array)[]): Uint8Array {
  const bytes = new Uint8Array(tokens(format).reduce((sum, token) => sum + sizeOf(token), 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  let index = 0;
  for (const token of tokens(format)) {
    const size = sizeOf(token);
    if (!token.startsWith('x')) {
      const value = values[index++];
      if (value === undefined) throw new Error(`pack: no value for ${token}, number ${index} of '${format}'`);
      if (token.startsWith('c')) {
        const text = typeof value === 'string' ? new TextEncoder().encode(value) : (value as Uint8Array);
        bytes.set(text.subarray(0, size), at);
      } else if (token === 'be16') view.setUint16(at, Number(value));
      else if (token === 'be32') view.setUint32(at, Number(value));
      else if (size === 8) view.setBigUint64(at, BigInt.asUintN(64, BigInt(value as bigint)), true);
      else if (size === 4) view.setUint32(at, Number(value) >>> 0, true);
      else if (size === 2) view.setUint16(at, Number(value), true);
      else view.setUint8(at, Number(value));
    }
    at += size;
  }
  if (index !== values.length) throw new Error(`pack: ${values.length} values for '${format}'`);
  return bytes;
}

/** What `pack` put there; texts end before their first NUL, numbers of 64 bits are bigint. */
export function unpack(format: string, bytes: Uint8Array): (number | bigint | string)[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values: (number | bigint | string)[] = [];
  let at = 0;
  for (const token of tokens(format)) {
    const size = sizeOf(token);
    if (token.startsWith('c')) values.push(text(bytes.subarray(at, at + size)));
    else if (token === 'be16') values.push(view.getUint16(at));
    else if (token === 'be32') values.push(view.getUint32(at));
    else if (token === 'u64') values.push(view.getBigUint64(at, true));
    else if (token === 's64') values.push(view.getBigInt64(at, true));
    else if (token === 's32') values.push(view.getInt32(at, true));
    else if (token === 's16') values.push(view.getInt16(at, true));
    else if (token === 's8') values.push(view.getInt8(at));
    else if (token === 'u32') values.push(view.getUint32(at, true));
    else if (token === 'u16') values.push(view.getUint16(at, true));
    else if (token === 'u8') values.push(view.getUint8(at));
    at += size;
  }
  return values;
}

/** A text that ends at its first NUL, or with the bytes. */
export function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder('latin1').decode(end < 0 ? bytes : bytes.subarray(0, end));
}
