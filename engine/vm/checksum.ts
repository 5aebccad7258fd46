/** The sum of 16-bit words with the carry added back in (RFC 1071), of little-endian memory; `bytes` in whole words of 4. */
function sum(bytes: Uint8Array, start: number): number {
  let total = (start & 0xffff) + (start >>> 16);
  for (let i = 0; i < bytes.length; i += 2) total += bytes[i]! | (bytes[i + 1]! << 8);
  return fold(total);
}

/** A sum below 2^53 brought down to 16 bits; only 0 gives 0. */
function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded % 0x1_0000) + Math.floor(folded / 0x1_0000);
  return folded;
}

/** bpf_csum_diff: the checksum that becomes of `seed` where `from` is replaced by `to`, in 16 bits (net/core/filter.c since Linux 6.13). */
export function csumDiff(from: Uint8Array, to: Uint8Array, seed: number): number {
  const added = sum(to, seed);
  return from.length === 0 ? added : fold(added + (sum(from, 0) ^ 0xffff));
}
