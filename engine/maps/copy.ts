/** From so many bytes on, the engine's own copying is faster than word by word. */
const LARGE = 128;

/** Copies `length` bytes that do not overlap, within a machine's memory. */
export function copyBytes(
  memory: { readonly bytes: Uint8Array; readonly view: DataView },
  to: number,
  from: number,
  length: number,
): void {
  if (length >= LARGE) {
    memory.bytes.copyWithin(to, from, from + length);
    return;
  }
  const { view } = memory;
  let at = 0;
  for (; at + 4 <= length; at += 4) view.setInt32(to + at, view.getInt32(from + at, true), true);
  for (; at < length; at++) view.setUint8(to + at, view.getUint8(from + at));
}
