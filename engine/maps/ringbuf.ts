import type { MapSpec } from '../object/index.ts';
import type { Memory } from '../vm/index.ts';
import { EAGAIN, ENOTSUPP } from './errno.ts';
import type { RingBuffer } from './map.ts';
import { align8 } from './spec.ts';

const BUSY = 0x8000_0000;
const DISCARD = 0x4000_0000;
const LENGTH = 0x3fff_ffff;
const HEADER = 8;

/**
 * A ring buffer (kernel/bpf/ringbuf.c). A record has a header of 8 bytes and is padded to 8,
 *
 *     bit   31     30        29..0
 *           | busy | discard | length |     then 4 bytes with the map's handle, where the kernel has a page offset
 *
 * The kernel maps the data pages twice in a row so that a record is contiguous also where it wraps. Here the record that wraps
 * runs on into a spare area behind the data; positions, and when the buffer is full, are the kernel's.
 */
export function createRingBuffer(memory: Memory, spec: MapSpec, handle: number): RingBuffer {
  const { bytes, view } = memory;
  const size = spec.maxEntries;
  const mask = size - 1;
  const data = memory.allocate(2 * size);
  let producer = 0;
  let consumer = 0;
  let lost = 0;
  let consuming = false;

  const reserve = (length: number): number => {
    const total = align8(length + HEADER);
    if (length > LENGTH || producer + total - consumer > mask) {
      lost++;
      return 0;
    }
    const header = data + (producer & mask);
    view.setUint32(header, (length | BUSY) >>> 0, true);
    view.setUint32(header + 4, handle, true);
    producer += total;
    return header + HEADER;
  };

  const commit = (recordOffset: number, bits: number): void => {
    const header = recordOffset - HEADER;
    const inside = header >= data && header < data + size;
    const word = inside ? view.getUint32(header, true) : 0;
    if (word < BUSY) throw new Error(`map "${spec.name}": there is no reserved record at offset ${recordOffset}`);
    view.setUint32(header, ((word & LENGTH) | bits) >>> 0, true);
  };

  const drain = (each: (record: Uint8Array) => void): number => {
    let records = 0;
    while (consumer < producer) {
      const header = data + (consumer & mask);
      const word = view.getUint32(header, true);
      if (word >= BUSY) break;
      const length = word & LENGTH;
      try {
        if ((word & DISCARD) === 0) {
          records++;
          each(bytes.subarray(header + HEADER, header + HEADER + length));
        }
      } finally {
        consumer += align8(length + HEADER);
      }
    }
    return records;
  };

  return {
    spec,
    handle,
    lookupAt: () => 0,
    updateAt: () => -ENOTSUPP,
    deleteAt: () => -ENOTSUPP,
    lookup: () => undefined,
    update: () => -ENOTSUPP,
    delete: () => -ENOTSUPP,
    keys: () => [],
    contains: (offset, length) => {
      for (
        let at = consumer;
        at < producer;
        at += align8((view.getUint32(data + (at & mask), true) & LENGTH) + HEADER)
      ) {
        const record = data + (at & mask) + HEADER;
        const word = view.getUint32(record - HEADER, true);
        if (word >= BUSY && offset >= record && offset + length <= record + (word & LENGTH)) return true;
      }
      return false;
    },
    valueOffset: undefined,
    reserve,
    submit: (recordOffset) => commit(recordOffset, 0),
    discard: (recordOffset) => commit(recordOffset, DISCARD),
    output: (dataOffset, length) => {
      const record = reserve(length);
      if (record === 0) return -EAGAIN;
      bytes.copyWithin(record, dataOffset, dataOffset + length);
      commit(record, 0);
      return 0;
    },
    consume: (each) => {
      if (consuming) return 0;
      consuming = true;
      try {
        return drain(each);
      } finally {
        consuming = false;
      }
    },
    get lost() {
      return lost;
    },
  };
}
