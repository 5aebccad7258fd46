import { expect, it } from 'vitest';
import type { RingBuffer } from '../../../engine/maps/index.ts';
import type { Memory } from '../../../engine/vm/index.ts';
import { streamOf } from '../../../sensors/sim/kernel/stream.ts';

const SIZE = 8;
const bytes = new Uint8Array(1024);
const memory = { bytes, view: new DataView(bytes.buffer) } as Memory;

/** A ring whose records are nothing but their times. */
const ringAt = (data: number) => {
  let times: readonly number[] = [];
  const ring = {
    pending: (each: (offset: number, size: number) => void) => {
      for (const [index, time] of times.entries()) {
        memory.view.setBigUint64(data + SIZE * index, BigInt(time), true);
        each(data + SIZE * index, SIZE);
      }
      return times.length;
    },
    release: (end: number) => {
      times = times.slice(end);
    },
  } as unknown as RingBuffer;
  return {
    ring,
    put: (...more: readonly number[]) => {
      times = more;
    },
  };
};

it('hands over the records of all rings in the order of time, each once, however many there were before', () => {
  const [first, second] = [ringAt(0), ringAt(512)];
  const stream = streamOf([first.ring, second.ring], memory, 0);
  const consumed = (): readonly number[] => {
    const found: number[] = [];
    const count = stream.consume((record) => {
      found.push(Number(new DataView(record.buffer, record.byteOffset).getBigUint64(0, true)));
    });
    expect(count).toBe(found.length);
    return found;
  };
  first.put(1, 4, 5);
  second.put(2, 3, 6);
  expect(consumed()).toEqual([1, 2, 3, 4, 5, 6]);
  expect(consumed()).toEqual([]);
  first.put(8);
  second.put(7);
  expect(consumed()).toEqual([7, 8]);
  second.put(2 ** 40);
  expect(consumed()).toEqual([2 ** 40]);
});
