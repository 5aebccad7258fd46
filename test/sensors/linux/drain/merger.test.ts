import { describe, expect, it } from 'vitest';
import { createMerger } from '../../../../sensors/linux/drain/merger.ts';
import { openOutboxReader, openOutboxWriter, outboxMemory } from '../../../../sensors/linux/drain/outbox.ts';
import { count, seed } from '../../../support/counts.ts';
import { createRandom, type Random } from '../../../support/random.ts';
import { type FakeRing, fakeRing } from './fake-ring.ts';

const TIME_AT = 8;
const [RING_BYTES, OUTBOX_BYTES] = [4096, 8192];
const ORIGIN = 3;
/** Times in records count from boot, those of the merger from its origin. */
const SINCE = BigInt(ORIGIN) << 32n;

const recordOf = (id: number, time: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length).fill(id & 0xff);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(id), true);
  view.setBigUint64(TIME_AT, SINCE + BigInt(time), true);
  return bytes;
};

const write = (ring: FakeRing, bytes: Uint8Array, discard = false): void => {
  const at = ring.reserve(bytes.length);
  if (at === undefined) throw new Error('the ring is full');
  ring.commit(at, bytes, discard);
};

/** A merger of rings with the reader of what it passes on. */
function merging(rings: readonly FakeRing[], outboxBytes = OUTBOX_BYTES) {
  const memory = outboxMemory(outboxBytes);
  const reader = openOutboxReader(memory);
  const pages = rings.map((ring) => ring.pages);
  const merger = createMerger(pages, TIME_AT, ORIGIN, openOutboxWriter(memory));
  const read = (): number[] => {
    const ids: number[] = [];
    reader.read((record) => ids.push(Number(new DataView(record.buffer, record.byteOffset).getBigUint64(0, true))));
    return ids;
  };
  return { merger, reader, read };
}

describe('records of several rings', () => {
  it('come in the order of their times, across rings and beside the order in a ring', () => {
    const [one, other] = [fakeRing(RING_BYTES), fakeRing(RING_BYTES)];
    const { merger, read } = merging([one, other]);
    write(one, recordOf(1, 10, 16));
    write(one, recordOf(2, 30, 16));
    write(one, recordOf(3, 25, 40));
    write(other, recordOf(4, 20, 16));
    write(other, recordOf(5, 27, 16));
    expect(merger.step(100)).toBe(5);
    expect(read()).toEqual([1, 4, 3, 5, 2]);
    expect([one.consumed, other.consumed]).toEqual([one.produced, other.produced]);
  });

  it('wait for older ones until the horizon has passed them, in the ring', () => {
    const [one, other] = [fakeRing(RING_BYTES), fakeRing(RING_BYTES)];
    const { merger, read } = merging([one, other]);
    write(one, recordOf(1, 10, 16));
    write(one, recordOf(2, 50, 16));
    write(one, recordOf(3, 20, 16));
    expect(merger.step(20)).toBe(2);
    expect(read()).toEqual([1, 3]);
    expect(one.consumed).toBe(24);
    write(other, recordOf(4, 40, 16));
    expect(merger.step(50)).toBe(2);
    expect(read()).toEqual([4, 2]);
    expect(one.consumed).toBe(72);
  });

  it('stop at one that is still being written, and leave out what was discarded', () => {
    const ring = fakeRing(RING_BYTES);
    const { merger, read } = merging([ring]);
    write(ring, recordOf(1, 10, 16), true);
    const busy = ring.reserve(16) as number;
    write(ring, recordOf(3, 12, 16));
    expect([merger.step(100), ring.consumed]).toEqual([0, 24]);
    ring.commit(busy, recordOf(2, 11, 16));
    expect(merger.step(100)).toBe(2);
    expect(read()).toEqual([2, 3]);
  });

  it('stay in the ring while nobody reads, without any lost', () => {
    const ring = fakeRing(RING_BYTES);
    const { merger, read } = merging([ring], 2048);
    const wanted = Array.from({ length: 100 }, (_, id) => id);
    const got: number[] = [];
    let written = 0;
    for (let round = 0; round < 200 && got.length < wanted.length; round++) {
      while (written < wanted.length && ring.produced - ring.consumed + 72 <= RING_BYTES)
        write(ring, recordOf(written, written++, 64));
      merger.step(1000);
      expect(merger.step(1000)).toBe(0);
      got.push(...read());
    }
    expect(got).toEqual(wanted);
  });

  it('say what was passed on of what there was at a time', () => {
    const [one, other] = [fakeRing(RING_BYTES), fakeRing(RING_BYTES)];
    const { merger } = merging([one, other]);
    write(one, recordOf(1, 10, 16));
    const busy = other.reserve(16) as number;
    const then = merger.produced();
    write(one, recordOf(2, 11, 16));
    merger.step(Number.POSITIVE_INFINITY);
    expect(merger.passed(then)).toBe(false);
    other.commit(busy, recordOf(3, 12, 16));
    merger.step(Number.POSITIVE_INFINITY);
    expect(merger.passed(then)).toBe(true);
  });

  it('are refused where one alone is more than what the threads share', () => {
    const ring = fakeRing(RING_BYTES);
    const { merger } = merging([ring], 1024);
    write(ring, recordOf(1, 10, 600));
    expect(() => merger.step(100)).toThrow('a record of 608 bytes is larger than what the threads share; 512 fit');
  });

  it.each([0, 2 ** 32 - 512, 2 ** 44 - 8])(
    'are each there once, whole and in order, whatever programs overlap (from position %d)',
    (start) => {
      for (let i = 0; i < count(300); i++) {
        const random = createRandom(seed(`merger ${start} ${i}`));
        const { sent, received } = simulate(random, start);
        expect(received.length).toBeGreaterThan(100);
        expect(received).toEqual(sent.sort((one, other) => one.time - other.time));
      }
    },
  );
});

interface Sent {
  readonly id: number;
  readonly time: number;
  readonly length: number;
}

const SLACK = 200;

/** Programs on some CPUs take a time, reserve room later and finish later still, within the slack; steps and readings come between. */
function simulate(random: Random, start: number): { sent: Sent[]; received: Sent[] } {
  const rings = [fakeRing(RING_BYTES, start), fakeRing(RING_BYTES, start)];
  const { merger, reader } = merging(rings);
  const [sent, received]: [Sent[], Sent[]] = [[], []];
  const running: { record: Sent; ring: FakeRing; reserve: number; commit: number; at?: number | undefined }[] = [];
  const receive = (record: Uint8Array): void => {
    const view = new DataView(record.buffer, record.byteOffset, record.length);
    const id = Number(view.getBigUint64(0, true));
    const time = Number(view.getBigUint64(TIME_AT, true) - SINCE);
    expect(record.subarray(16).every((byte) => byte === (id & 0xff))).toBe(true);
    received.push({ id, time, length: record.length });
  };
  for (let now = 0, id = 0; id < 300 || running.length > 0; now += random.between(1, 20)) {
    for (const program of [...running]) {
      const { record, ring } = program;
      if (program.at === undefined && program.reserve <= now) {
        program.at = ring.reserve(record.length);
        if (program.at === undefined) {
          running.splice(running.indexOf(program), 1);
          continue;
        }
      }
      if (program.at !== undefined && program.commit <= now) {
        const discard = random.chance(0.1);
        ring.commit(program.at, recordOf(record.id, record.time, record.length), discard);
        if (!discard) sent.push(record);
        running.splice(running.indexOf(program), 1);
      }
    }
    if (id < 300 && running.length < 4) {
      const record = { id, time: now, length: random.between(16, 300) };
      const reserve = now + random.between(0, SLACK / 2);
      running.push({ record, ring: random.pick(rings), reserve, commit: reserve + random.between(0, SLACK / 2 - 40) });
      id++;
    }
    if (random.chance(0.2)) merger.step(now - SLACK);
    if (random.chance(0.1)) reader.read(receive);
  }
  for (let round = 0; round < 20; round++) {
    merger.step(Number.POSITIVE_INFINITY);
    reader.read(receive);
  }
  expect(rings.map((ring) => ring.consumed)).toEqual(rings.map((ring) => ring.produced));
  return { sent, received };
}
