import { deepStrictEqual, strictEqual, throws } from 'node:assert';
import {
  and,
  call,
  type Item,
  ja,
  jeq,
  jne,
  label,
  ldx,
  ldxField,
  loadMap,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R6,
  R7,
  R8,
  R9,
  R10,
  st,
  stx,
} from '../../../../engine/isa/index.ts';
import type { MapSpec } from '../../../../engine/object/index.ts';
import type { KernelMap, RecordStream } from '../../../../sensors/index.ts';
import { group } from '../case.ts';
import type { Host } from '../host.ts';
import { attachConfined, HELPERS, OUT, place, word } from '../programs.ts';

const HOOK = 'tp_btf/sys_exit';
const LSEEK = 8;
const EAGAIN = 11;
/** The smallest ring buffer there is, in bytes. */
const SMALLEST = 4096;
const HEADER = 8;

const ring = (name: string, maxEntries = SMALLEST): MapSpec => ({
  name,
  type: 'ringbuf',
  keySize: 0,
  valueSize: 0,
  maxEntries,
});
const RESULTS: MapSpec = { name: 'results', type: 'hash', keySize: 8, valueSize: 8, maxEntries: 1024 };

/** lseek only: r6 = registers, r7 = its first argument. */
const ONLY: readonly Item[] = [
  ldx('dw', R6, R9, 0),
  ldxField('dw', R7, R6, 'pt_regs.orig_ax'),
  jne(R7, LSEEK, OUT),
  ldxField('dw', R7, R6, 'pt_regs.di'),
];
/** Time, first argument, and zeroes up to `words`. */
const record = (words: number): readonly Item[] => [
  ...Array.from({ length: words }, (_, index) => st('dw', R10, -8 * (index + 1), 0)),
  call(HELPERS.ktime_get_boot_ns),
  stx('dw', R10, -8 * words, R0),
  stx('dw', R10, -8 * words + 8, R7),
];
const output = (name: string, words: number): readonly Item[] => [
  loadMap(R1, name),
  ...place(R2, words - 1),
  mov(R3, 8 * words),
  mov(R4, 0),
  call(HELPERS.ringbuf_output),
];
/** Notes r0 under the call's first argument. */
const note: readonly Item[] = [
  stx('dw', R10, -16, R0),
  stx('dw', R10, -8, R7),
  loadMap(R1, 'results'),
  ...place(R2, 0),
  ...place(R3, 1),
  mov(R4, 0),
  call(HELPERS.map_update_elem),
  mov(R0, 0),
];

const lseek = (host: Host, number: number) => host.task.call('lseek', [number, 0, 99]);
const second = (bytes: Uint8Array): number =>
  Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(8, true));
const taken = (reader: { consume(each: (bytes: Uint8Array) => void): number }): number[] => {
  const found: number[] = [];
  reader.consume((bytes) => found.push(second(bytes)));
  return found;
};
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);

export const ringCases = group('ring buffer', [`hook:${HOOK}`], {
  'records come once, oldest first': async (host) => {
    const map = host.createMap(ring('low'));
    attachConfined(host, HOOK, [...ONLY, ...record(2), ...output('low', 2), mov(R0, 0)], { maps: [map] });
    const reader = host.kernel.ringBuffer(map);
    for (const number of range(100, 110)) await lseek(host, number);
    deepStrictEqual(taken(reader), range(100, 110));
    deepStrictEqual(taken(reader), []);
    await lseek(host, 200);
    deepStrictEqual(taken(reader), [200]);
  },
  'records that wrap around the end are whole': async (host) => {
    const map = host.createMap(ring('low'));
    attachConfined(host, HOOK, [...ONLY, ...record(25), ...output('low', 25), mov(R0, 0)], { maps: [map] });
    const reader = host.kernel.ringBuffer(map);
    const found: number[] = [];
    const lengths = new Set<number>();
    for (const number of range(300, 390)) {
      await lseek(host, number);
      if (number % 7 !== 0) continue;
      reader.consume((bytes) => {
        found.push(second(bytes));
        lengths.add(bytes.length);
      });
    }
    found.push(...taken(reader));
    deepStrictEqual(found, range(300, 390));
    deepStrictEqual([...lengths], [200]);
  },
  'what finds no room is refused, and what was taken stays whole': async (host) => {
    const map = host.createMap(ring('low'));
    const results = host.createMap(RESULTS);
    attachConfined(host, HOOK, [...ONLY, ...record(30), ...output('low', 30), ...note], { maps: [map, results] });
    const reader = host.kernel.ringBuffer(map);
    for (const number of range(100, 140)) await lseek(host, number);
    const fits = Math.floor((SMALLEST - 1) / (240 + HEADER));
    const resultOf = (number: number) => {
      const value = results.lookup(new Uint8Array(BigUint64Array.of(BigInt(number)).buffer));
      return value && new DataView(value.buffer, value.byteOffset).getBigUint64(0, true);
    };
    strictEqual(resultOf(100 + fits - 1), 0n);
    strictEqual(resultOf(100 + fits), word(-EAGAIN));
    deepStrictEqual(taken(reader), range(100, 100 + fits));
    await lseek(host, 500);
    deepStrictEqual(taken(reader), [500]);
  },
  'reserve and submit; what is discarded is never seen': async (host) => {
    const map = host.createMap(ring('low'));
    attachConfined(
      host,
      HOOK,
      [
        ...ONLY,
        loadMap(R1, 'low'),
        mov(R2, 16),
        mov(R3, 0),
        call(HELPERS.ringbuf_reserve),
        jeq(R0, 0, OUT),
        st('dw', R0, 0, 0),
        stx('dw', R0, 8, R7),
        mov(R1, R0),
        mov(R2, 0),
        jne(R7, 102, 'submit'),
        call(HELPERS.ringbuf_discard),
        mov(R0, 0),
        ja(OUT),
        label('submit'),
        call(HELPERS.ringbuf_submit),
        mov(R0, 0),
      ],
      { maps: [map] },
    );
    const reader = host.kernel.ringBuffer(map);
    for (const number of range(100, 105)) await lseek(host, number);
    deepStrictEqual(taken(reader), [100, 101, 103, 104]);
  },
  'a program can ask how much waits': async (host) => {
    const map = host.createMap(ring('low'));
    const results = host.createMap(RESULTS);
    attachConfined(
      host,
      HOOK,
      [
        ...ONLY,
        ...record(2),
        ...output('low', 2),
        loadMap(R1, 'low'),
        mov(R2, 0),
        call(HELPERS.ringbuf_query),
        ...note,
      ],
      { maps: [map, results] },
    );
    for (const number of range(100, 103)) await lseek(host, number);
    const value = results.lookup(new Uint8Array(BigUint64Array.of(102n).buffer));
    strictEqual(value && new DataView(value.buffer, value.byteOffset).getBigUint64(0, true), 3n * BigInt(16 + HEADER));
  },
  'only ring buffers are read as such': async (host) => {
    const map = host.createMap({ name: 'plain', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1 });
    throws(() => host.kernel.ringBuffer(map), {
      message: 'map plain is no ring buffer of this kernel; create one with type ringbuf',
    });
  },
});

/** Odd numbers go to one ring buffer, even ones to the other. */
const SPLIT: readonly Item[] = [
  ...ONLY,
  ...record(2),
  mov(R8, R7),
  and(R8, 1),
  jeq(R8, 0, 'even'),
  ...output('odd', 2),
  mov(R0, 0),
  ja(OUT),
  label('even'),
  ...output('even', 2),
  mov(R0, 0),
];

const waitFor = async (host: Host, stream: RecordStream, count: number): Promise<number[]> => {
  const found: number[] = [];
  for (let tries = 0; tries < 500 && found.length < count; tries++) {
    stream.consume((bytes) => found.push(second(bytes)));
    if (found.length < count) await host.sleep(2);
  }
  return found;
};

const twoRings = (host: Host): readonly KernelMap[] => {
  const maps = [host.createMap(ring('odd')), host.createMap(ring('even'))];
  attachConfined(host, HOOK, SPLIT, { maps });
  return maps;
};

export const streamCases = group('stream', [`hook:${HOOK}`], {
  'merges ring buffers by the time in their records': async (host) => {
    const stream = host.kernel.stream(twoRings(host), 0);
    for (const number of range(100, 140)) await lseek(host, number);
    const found: number[] = [];
    await stream.drain((bytes) => found.push(second(bytes)));
    deepStrictEqual(found, range(100, 140));
    stream.close();
  },
  'hands over while records go on coming': async (host) => {
    const stream = host.kernel.stream(twoRings(host), 0);
    for (const number of range(100, 110)) await lseek(host, number);
    const first = await waitFor(host, stream, 10);
    for (const number of range(110, 120)) await lseek(host, number);
    const rest: number[] = [];
    await stream.drain((bytes) => rest.push(second(bytes)));
    deepStrictEqual([...first, ...rest], range(100, 120));
    stream.close();
  },
  'drained twice it has nothing more': async (host) => {
    const stream = host.kernel.stream(twoRings(host), 0);
    await lseek(host, 100);
    strictEqual(await stream.drain(() => undefined), 1);
    strictEqual(await stream.drain(() => undefined), 0);
    stream.close();
  },
});
