import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMap, EAGAIN, ENOTSUPP, isRingBuffer, type RingBuffer } from '../../../engine/maps/index.ts';
import { Memory } from '../../../engine/vm/index.ts';

const SIZE = 4096;

function create(size = SIZE): { memory: Memory; ring: RingBuffer; put: (bytes: Uint8Array) => number } {
  const memory = new Memory(1 << 20);
  const ring = createMap(memory, { name: 'events', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: size }, 9);
  if (!isRingBuffer(ring)) throw new Error('not a ring buffer');
  const data = memory.allocate(SIZE * 2);
  const put = (bytes: Uint8Array): number => {
    memory.bytes.set(bytes, data);
    return ring.output(data, bytes.length);
  };
  return { memory, ring, put };
}

function drain(ring: RingBuffer): Uint8Array[] {
  const records: Uint8Array[] = [];
  ring.consume((record) => records.push(record.slice()));
  return records;
}

const filled = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);

describe('ringbuf', () => {
  it('hands out finished records oldest first, and stops at one that is still being written', () => {
    const { memory, ring, put } = create();
    put(filled(3, 1));
    const first = ring.reserve(8);
    const second = ring.reserve(8);
    memory.bytes.fill(2, first, first + 8);
    memory.bytes.fill(3, second, second + 8);
    ring.submit(second);
    expect(drain(ring)).toEqual([filled(3, 1)]);
    expect(drain(ring)).toEqual([]);
    ring.submit(first);
    expect(drain(ring)).toEqual([filled(8, 2), filled(8, 3)]);
  });

  it('lays records out as the kernel does: 8 bytes of header with length and busy bit, data padded to 8', () => {
    const { memory, ring } = create();
    const first = ring.reserve(5);
    expect(memory.view.getUint32(first - 8, true)).toBe(0x8000_0005);
    const second = ring.reserve(1);
    expect(second - first).toBe(16);
    ring.submit(first);
    ring.discard(second);
    expect(memory.view.getUint32(first - 8, true)).toBe(5);
    expect(memory.view.getUint32(second - 8, true)).toBe(0x4000_0001);
  });

  it('skips discarded records', () => {
    const { ring, put } = create();
    const record = ring.reserve(100);
    put(filled(1, 7));
    ring.discard(record);
    expect(drain(ring)).toEqual([filled(1, 7)]);
    expect(ring.lost).toBe(0);
  });

  it('holds at most one byte less than its size, headers included, and counts what found no room', () => {
    const { ring, put } = create();
    expect(ring.reserve(SIZE - 8)).toBe(0);
    expect(ring.lost).toBe(1);
    expect(put(filled(SIZE - 16, 1))).toBe(0);
    expect(put(filled(0, 1))).toBe(-EAGAIN);
    expect(ring.reserve(1)).toBe(0);
    expect(ring.lost).toBe(3);
    expect(drain(ring)).toEqual([filled(SIZE - 16, 1)]);
    expect(put(filled(SIZE * 2, 1))).toBe(-EAGAIN);
    expect(ring.lost).toBe(4);
    expect(put(filled(0, 1))).toBe(0);
    expect(drain(ring)).toEqual([filled(0, 1)]);
  });

  it('keeps a record contiguous where it wraps, without losing room', () => {
    const { ring, put } = create();
    put(filled(3000, 1));
    drain(ring);
    const wrapping = Uint8Array.from({ length: SIZE - 16 }, (_, i) => i * 7);
    expect(put(wrapping)).toBe(0);
    expect(drain(ring)).toEqual([wrapping]);
  });

  it('refuses to finish what was not reserved, or twice', () => {
    const { ring } = create();
    const record = ring.reserve(8);
    ring.submit(record);
    const message = (at: number) => `map "events": there is no reserved record at offset ${at}`;
    expect(() => ring.submit(record)).toThrow(new Error(message(record)));
    expect(() => ring.discard(record)).toThrow(new Error(message(record)));
    expect(() => ring.submit(64)).toThrow(new Error(message(64)));
  });

  it('goes on after the record at which the consumer threw', () => {
    const { ring, put } = create();
    put(filled(1, 1));
    put(filled(1, 2));
    const fail = () => {
      throw new Error('consumer');
    };
    expect(() => ring.consume(fail)).toThrow('consumer');
    expect(drain(ring)).toEqual([filled(1, 2)]);
  });

  it('has no keys and values', () => {
    const { ring } = create();
    const nothing = new Uint8Array();
    expect(ring.lookup(nothing)).toBeUndefined();
    expect(ring.update(nothing, nothing)).toBe(-ENOTSUPP);
    expect(ring.delete(nothing)).toBe(-ENOTSUPP);
    expect([...ring.keys()]).toEqual([]);
  });

  it('delivers every accepted record once and whole, whatever the order of writing and reading', () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ do: fc.constant('output' as const), length: fc.nat(1500) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('reserve' as const), length: fc.nat(1500) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('finish' as const), submit: fc.boolean() }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('consume' as const) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { memory, ring, put } = create();
        let byte = 0;
        let lost = 0;
        let queue: { state: 'busy' | 'done' | 'discarded'; at: number; bytes: Uint8Array }[] = [];
        const room = () => SIZE - 1 - queue.reduce((sum, r) => sum + Math.ceil((r.bytes.length + 8) / 8) * 8, 0);
        for (const s of steps) {
          if (s.do === 'output' || s.do === 'reserve') {
            const bytes = filled(s.length, ++byte & 255);
            const fits = Math.ceil((s.length + 8) / 8) * 8 <= room();
            if (!fits) lost++;
            if (s.do === 'output') {
              expect(put(bytes)).toBe(fits ? 0 : -EAGAIN);
              if (fits) queue.push({ state: 'done', at: 0, bytes });
            } else {
              const at = ring.reserve(s.length);
              expect(at !== 0).toBe(fits);
              memory.bytes.set(bytes, at);
              if (fits) queue.push({ state: 'busy', at, bytes });
            }
          } else if (s.do === 'finish') {
            const record = queue.findLast((r) => r.state === 'busy');
            if (!record) continue;
            record.state = s.submit ? 'done' : 'discarded';
            if (s.submit) ring.submit(record.at);
            else ring.discard(record.at);
          } else {
            const busy = queue.findIndex((r) => r.state === 'busy');
            const ready = busy < 0 ? queue : queue.slice(0, busy);
            expect(drain(ring)).toEqual(ready.filter((r) => r.state === 'done').map((r) => r.bytes));
            queue = busy < 0 ? [] : queue.slice(busy);
          }
        }
        expect(ring.lost).toBe(lost);
      }),
      { numRuns: 100 },
    );
  });
});
