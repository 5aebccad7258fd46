import type { RecordStream } from '../kernel.ts';
import type { LinuxRingBuffer } from './ring-buffer.ts';

/** Reads ring buffers in this thread, in the order of their records' times at `timeAt`. */
export function streamOf(rings: readonly LinuxRingBuffer[], timeAt: number): RecordStream {
  const consume = (handle: (record: Uint8Array) => void): number => {
    const records: { readonly bytes: Uint8Array; readonly time: bigint }[] = [];
    for (const ring of rings)
      ring.consume((record) => {
        const bytes = record.slice();
        records.push({ bytes, time: new DataView(bytes.buffer).getBigUint64(timeAt, true) });
      });
    records.sort((one, other) => (one.time < other.time ? -1 : one.time > other.time ? 1 : 0));
    for (const { bytes } of records) handle(bytes);
    return records.length;
  };
  return {
    consume,
    drain: async (handle) => consume(handle),
    close() {
      for (const ring of rings) ring.close();
    },
  };
}
