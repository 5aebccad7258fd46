/** The value of a protobuf field: a number is a varint, all else is bytes of a given length; several values are a repeated field. */
export type Encodable = bigint | string | Uint8Array | boolean;

const varint = (value: bigint): number[] => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest >= 128n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return [...bytes, Number(rest)];
};

const LENGTH_DELIMITED = 2n;

/** A message by its fields' numbers (https://protobuf.dev/programming-guides/encoding), written by hand. */
export const encodeMessage = (fields: readonly (readonly [number: number, value: Encodable])[]): Uint8Array => {
  const parts: Uint8Array[] = [];
  for (const [number, value] of fields) {
    const tag = BigInt(number) << 3n;
    if (typeof value === 'bigint') parts.push(Uint8Array.from([...varint(tag), ...varint(value)]));
    else if (typeof value === 'boolean') parts.push(Uint8Array.from([...varint(tag), value ? 1 : 0]));
    else {
      const content = typeof value === 'string' ? new TextEncoder().encode(value) : value;
      parts.push(Uint8Array.from([...varint(tag | LENGTH_DELIMITED), ...varint(BigInt(content.length))]), content);
    }
  }
  return new Uint8Array(Buffer.concat(parts));
};

/** A map from texts to texts: each entry is a message of key (1) and value (2). */
export const mapFields = (number: number, map: Readonly<Record<string, string>>): [number, Uint8Array][] =>
  Object.entries(map).map(([key, value]) => [
    number,
    encodeMessage([
      [1, key],
      [2, value],
    ]),
  ]);

/** Reads a message's first field of a number where it is text or a message; undefined where there is none. */
export const readBytes = (message: Uint8Array, wanted: number): Uint8Array | undefined => {
  let at = 0;
  const next = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++];
      if (byte === undefined) throw new Error('a message ends within a number');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = next();
    const length = next();
    if ((tag & 7n) !== LENGTH_DELIMITED) continue;
    const content = message.subarray(at, at + Number(length));
    at += Number(length);
    if (Number(tag >> 3n) === wanted) return content;
  }
  return undefined;
};
