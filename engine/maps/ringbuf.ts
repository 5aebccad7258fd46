import type { MapSpec } from '../object/index.ts';
import { align8 } from './align.ts';
import { EAGAIN, ENOTSUPP } from './errno.ts';
import type { RingBuffer } from './map.ts';
import type { MapMemory } from './map-memory.ts';
import { userOperations } from './syscalls.ts';

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
export function createRingBuffer(memory: MapMemory, spec: MapSpec, handle: number): RingBuffer {
  const { bytes, view } = memory;
  const size = spec.maxEntries;
  const mask = size - 1;
  const data = memory.allocate(2 * size);
  const producerAt = memory.allocate(3 * 8);
  const consumerAt = producerAt + 8;
  const lostAt = producerAt + 16;
  let consuming = false;

  /** Room and places follow from the low halves: no two positions are further apart than the buffer's size. */
  const low = (at: number): number => view.getUint32(at, true);
  const add = (at: number, count: number): void => {
    const sum = low(at) + count;
    view.setUint32(at, sum >>> 0, true);
    if (sum > 0xffff_ffff) view.setUint32(at + 4, low(at + 4) + 1, true);
  };

  const reserve = (length: number): number => {
    const total = align8(length + HEADER);
    const producer = low(producerAt);
    if (length > LENGTH || ((producer - low(consumerAt)) >>> 0) + total > mask) {
      add(lostAt, 1);
      return 0;
    }
    const header = data + (producer & mask);
    view.setUint32(header, (length | BUSY) >>> 0, true);
    view.setUint32(header + 4, handle, true);
    add(producerAt, total);
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
    while (low(consumerAt) !== low(producerAt)) {
      const header = data + (low(consumerAt) & mask);
      const word = view.getUint32(header, true);
      if (word >= BUSY) break;
      const length = word & LENGTH;
      try {
        if ((word & DISCARD) === 0) {
          records++;
          each(bytes.subarray(header + HEADER, header + HEADER + length));
        }
      } finally {
        add(consumerAt, align8(length + HEADER));
      }
    }
    return records;
  };

  const pending = (each: (recordOffset: number, length: number) => void): number => {
    let at = low(consumerAt);
    while (at !== low(producerAt)) {
      const header = data + (at & mask);
      const word = view.getUint32(header, true);
      if (word >= BUSY) break;
      const length = word & LENGTH;
      if ((word & DISCARD) === 0) each(header + HEADER, length);
      at = (at + align8(length + HEADER)) >>> 0;
    }
    return at;
  };

  return {
    spec,
    handle,
    lookupAt: () => 0,
    updateAt: () => -ENOTSUPP,
    deleteAt: () => -ENOTSUPP,
    ...userOperations(memory, spec, 0, {}),
    contains: (offset, length) => {
      const producer = low(producerAt);
      for (let at = low(consumerAt); at !== producer; ) {
        const record = data + (at & mask) + HEADER;
        const word = view.getUint32(record - HEADER, true);
        if (word >= BUSY && offset >= record && offset + length <= record + (word & LENGTH)) return true;
        at = (at + align8((word & LENGTH) + HEADER)) >>> 0;
      }
      return false;
    },
    valueOffset: undefined,
    close: memory.close,
    layout: { kind: 'ringbuf', data, mask, producerAt, consumerAt, lostAt },
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
    pending,
    release: (position) => add(consumerAt, (position - low(consumerAt)) >>> 0),
    get lost() {
      return Number(view.getBigUint64(lostAt, true));
    },
  };
}
