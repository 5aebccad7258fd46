/** 4 bytes, little endian. */
export const u32 = (n: number): Uint8Array => new Uint8Array(new Uint32Array([n]).buffer);

/** 8 bytes, little endian. */
export const u64 = (n: bigint): Uint8Array => new Uint8Array(new BigUint64Array([n]).buffer);
