/** The ones' complement sum of two 32-bit numbers (csum_add of include/net/checksum.h). */
const add = (a: number, b: number): number => (a + b > 0xffff_ffff ? a + b - 0xffff_ffff : a + b);

/** The same of a start and whole words of 4 bytes (csum_partial): 0 only where all of them are 0. */
function sum(bytes: Uint8Array, start: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let total = start;
  for (let at = 0; at < bytes.length; at += 4) total = add(total, view.getUint32(at, true));
  return total;
}

const not = (n: number): number => ~n >>> 0;

/** bpf_csum_diff: what becomes of the checksum `seed` where `from` is replaced by `to`, in 16 bits (net/core/filter.c since Linux 6.13). */
export function csumDiff(from: Uint8Array, to: Uint8Array, seed: number): number {
  let total = seed;
  if (from.length > 0 && to.length > 0) total = add(sum(to, seed), not(sum(from, 0)));
  else if (to.length > 0) total = sum(to, seed);
  else if (from.length > 0) total = not(sum(from, not(seed)));
  const halves = (total >>> 16) + ((total << 16) >>> 0);
  return (((total + halves) % 0x1_0000_0000) >>> 16) >>> 0;
}
