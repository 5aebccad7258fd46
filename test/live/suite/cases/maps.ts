import { deepStrictEqual, strictEqual, throws } from 'node:assert';
import {
  add,
  atomicAdd,
  call,
  type Item,
  jeq,
  jne,
  ldx,
  ldxField,
  loadMap,
  loadMapValue,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R6,
  R7,
  R9,
  R10,
  st,
  stx,
} from '../../../../engine/isa/index.ts';
import type { MapSpec } from '../../../../engine/object/index.ts';
import type { LinuxKernel } from '../../../../sensors/index.ts';
import { group } from '../case.ts';
import type { Host } from '../host.ts';
import { attachConfined, HELPERS, OUT, observe } from '../programs.ts';

const HOOK = 'tp_btf/sys_exit';
const LSEEK = 8;
const [ENOENT, E2BIG, EEXIST, EINVAL] = [2, 7, 17, 22];
const [BPF_NOEXIST, BPF_EXIST] = [1, 2];

const spec = (type: MapSpec['type'], more: Partial<MapSpec> = {}): MapSpec => ({
  name: 'kept',
  type,
  keySize: 4,
  valueSize: 8,
  maxEntries: 4,
  ...more,
});
const key = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const value = (number: number | bigint): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(number)).buffer);
const numbers = (bytes: Uint8Array | undefined): bigint[] | undefined => {
  if (bytes === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 8 }, (_, index) => view.getBigUint64(8 * index, true));
};
const sum = (bytes: Uint8Array | undefined): bigint => (numbers(bytes) ?? []).reduce((all, one) => all + one, 0n);
const keysOf = (keys: Iterable<Uint8Array>): number[] =>
  [...keys].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)).sort((a, b) => a - b);

/** lseek only: r6 = registers, r7 = its first argument. */
const ONLY: readonly Item[] = [
  ldx('dw', R6, R9, 0),
  ldxField('dw', R7, R6, 'pt_regs.orig_ax'),
  jne(R7, LSEEK, OUT),
  ldxField('dw', R7, R6, 'pt_regs.di'),
];
/** r1 = the map, r2 = the address of the key in r7. */
const keyed = (size: 'w' | 'dw' = 'w'): readonly Item[] => [
  stx(size, R10, -8, R7),
  loadMap(R1, 'kept'),
  mov(R2, R10),
  add(R2, -8),
];

/** Adds the call's second argument to the value of its first, where the map has it. */
const ADD: readonly Item[] = [
  ...ONLY,
  ...keyed(),
  call(HELPERS.map_lookup_elem),
  jeq(R0, 0, OUT),
  ldxField('dw', R7, R6, 'pt_regs.si'),
  atomicAdd('dw', R0, 0, R7),
  mov(R0, 0),
];

/** Writes the call's second argument as the value of its first. */
const PUT: readonly Item[] = [
  ...ONLY,
  ...keyed(),
  ldxField('dw', R7, R6, 'pt_regs.si'),
  stx('dw', R10, -16, R7),
  mov(R3, R10),
  add(R3, -16),
  mov(R4, 0),
  call(HELPERS.map_update_elem),
  mov(R0, 0),
];
const lseek = (host: Host, first: number, second: number) => host.task.call('lseek', [first, second, 99]);

export const mapCases = group('maps', [], {
  'hash: entries, flags and the end of room': async (host) => {
    const map = host.createMap(spec('hash'));
    strictEqual(map.lookup(key(1)), undefined);
    strictEqual(map.update(key(1), value(10)), 0);
    strictEqual(map.update(key(1), value(11), BPF_NOEXIST), -EEXIST);
    strictEqual(map.update(key(2), value(20), BPF_EXIST), -ENOENT);
    strictEqual(map.update(key(1), value(12), BPF_EXIST), 0);
    deepStrictEqual(numbers(map.lookup(key(1))), [12n]);
    for (const number of [2, 3, 4]) strictEqual(map.update(key(number), value(number)), 0);
    strictEqual(map.update(key(5), value(5)), -E2BIG);
    deepStrictEqual(keysOf(map.keys()), [1, 2, 3, 4]);
    strictEqual(map.delete(key(3)), 0);
    strictEqual(map.delete(key(3)), -ENOENT);
    deepStrictEqual(keysOf(map.keys()), [1, 2, 4]);
  },
  'array: all entries are there, none can be deleted': async (host) => {
    const map = host.createMap(spec('array'));
    deepStrictEqual(numbers(map.lookup(key(3))), [0n]);
    strictEqual(map.lookup(key(4)), undefined);
    strictEqual(map.update(key(4), value(1)), -E2BIG);
    strictEqual(map.update(key(1), value(1), BPF_NOEXIST), -EEXIST);
    strictEqual(map.delete(key(1)), -EINVAL);
    strictEqual(map.update(key(3), value(7)), 0);
    deepStrictEqual(numbers(map.lookup(key(3))), [7n]);
    deepStrictEqual(keysOf(map.keys()), [0, 1, 2, 3]);
  },
  'keys and values of the wrong size are refused': async (host) => {
    const map = host.createMap(spec('hash'));
    strictEqual(map.update(key(1), new Uint8Array(7)), -EINVAL);
    strictEqual(map.update(new Uint8Array(8), value(1)), -EINVAL);
    strictEqual(map.lookup(new Uint8Array(3)), undefined);
    strictEqual(map.delete(new Uint8Array(5)), -EINVAL);
  },
  'contents are there from the beginning': async (host) => {
    const map = host.createMap(
      spec('hash', {
        contents: [
          [key(5), value(50)],
          [key(6), value(60)],
        ],
      }),
    );
    deepStrictEqual(keysOf(map.keys()), [5, 6]);
    deepStrictEqual(numbers(map.lookup(key(6))), [60n]);
  },
  'lru_hash: always has room': async (host) => {
    const map = host.createMap(spec('lru_hash', { maxEntries: 64 }));
    for (let i = 0; i < 1000; i++) strictEqual(map.update(key(i), value(i)), 0);
    const left = keysOf(map.keys());
    strictEqual(left.length <= 64 && left.length > 0, true);
    strictEqual(left.includes(999), true);
  },
  'lpm_trie: the longest prefix decides': async (host) => {
    const map = host.createMap(spec('lpm_trie', { keySize: 8, flags: 1, maxEntries: 8 }));
    const prefix = (bits: number, ...bytes: readonly number[]): Uint8Array =>
      Uint8Array.from([bits, 0, 0, 0, ...bytes]);
    strictEqual(map.update(prefix(8, 10, 0, 0, 0), value(8)), 0);
    strictEqual(map.update(prefix(16, 10, 1, 0, 0), value(16)), 0);
    deepStrictEqual(numbers(map.lookup(prefix(32, 10, 1, 2, 3))), [16n]);
    deepStrictEqual(numbers(map.lookup(prefix(32, 10, 2, 2, 3))), [8n]);
    strictEqual(map.lookup(prefix(32, 11, 1, 2, 3)), undefined);
    strictEqual(map.update(prefix(33, 10, 0, 0, 0), value(1)), -EINVAL);
  },
  'percpu_array: a value for every CPU': async (host) => {
    const map = host.createMap(spec('percpu_array'));
    const values = numbers(map.lookup(key(0)));
    strictEqual((values?.length ?? 0) >= 1, true);
    strictEqual(sum(map.lookup(key(0))), 0n);
    strictEqual(map.lookup(key(4)), undefined);
  },
  'batches read and write many entries at once': [
    ['linux'],
    async (host) => {
      const map = (host.kernel as LinuxKernel).map(host.createMap(spec('hash', { maxEntries: 64 })));
      const all = Array.from({ length: 50 }, (_, index) => index);
      const keys = Buffer.concat(all.map(key));
      strictEqual(map.updateBatch(keys, Buffer.concat(all.map(value))).count, 50);
      const first = map.lookupBatch(64);
      deepStrictEqual([first.count, first.result], [50, -ENOENT]);
      deepStrictEqual(
        [...new Uint32Array(first.keys.slice(0, 200).buffer)].sort((one, other) => one - other),
        all,
      );
      strictEqual(map.deleteBatch(keys).count, 50);
      deepStrictEqual([...map.keys()], []);
    },
  ],
  'maps that can not be are refused with their name': async (host) => {
    throws(() => host.createMap(spec('array', { name: 'wide', keySize: 8 })), /wide/);
    throws(() => host.createMap(spec('ringbuf', { name: 'odd', keySize: 0, valueSize: 0, maxEntries: 5000 })), /odd/);
    throws(() => host.createMap(spec('hash', { name: 'none', maxEntries: 0 })), /none/);
  },
});

export const programMapCases = group('maps in programs', [`hook:${HOOK}`], {
  'hash: a program finds what user space wrote, and adds to it': async (host) => {
    const map = host.createMap(spec('hash', { contents: [[key(7), value(5)]] }));
    attachConfined(host, HOOK, ADD, { maps: [map] });
    await lseek(host, 7, 3);
    await lseek(host, 7, 4);
    await lseek(host, 8, 9);
    deepStrictEqual(numbers(map.lookup(key(7))), [12n]);
    strictEqual(map.lookup(key(8)), undefined);
  },
  'hash: user space finds what a program wrote': async (host) => {
    const map = host.createMap(spec('hash'));
    attachConfined(host, HOOK, PUT, { maps: [map] });
    for (const number of [3, 1, 2]) await lseek(host, number, 10 * number);
    deepStrictEqual(keysOf(map.keys()), [1, 2, 3]);
    deepStrictEqual(numbers(map.lookup(key(2))), [20n]);
  },
  'hash: a program deletes': async (host) => {
    const map = host.createMap(spec('hash', { contents: [[key(7), value(5)]] }));
    attachConfined(host, HOOK, [...ONLY, ...keyed(), call(HELPERS.map_delete_elem), mov(R0, 0)], { maps: [map] });
    await lseek(host, 7, 0);
    strictEqual(map.lookup(key(7)), undefined);
  },
  'array: an index beyond the end has no value': async (host) => {
    const map = host.createMap(spec('array'));
    attachConfined(host, HOOK, ADD, { maps: [map] });
    await lseek(host, 3, 3);
    await lseek(host, 4, 4);
    deepStrictEqual(
      [...map.keys()].map((one) => sum(map.lookup(one))),
      [0n, 0n, 0n, 3n],
    );
  },
  'percpu_array: what all CPUs counted adds up': async (host) => {
    const map = host.createMap(spec('percpu_array'));
    attachConfined(host, HOOK, ADD, { maps: [map] });
    for (let i = 1; i <= 10; i++) await lseek(host, 2, i);
    strictEqual(sum(map.lookup(key(2))), 55n);
  },
  'percpu_hash: a program makes an entry, each CPU has its own value': async (host) => {
    const map = host.createMap(spec('percpu_hash'));
    attachConfined(host, HOOK, PUT, { maps: [map] });
    await lseek(host, 9, 42);
    strictEqual(sum(map.lookup(key(9))), 42n);
  },
  'lru_hash: a program puts in more than there is room for': async (host) => {
    const map = host.createMap(spec('lru_hash', { maxEntries: 16 }));
    attachConfined(host, HOOK, PUT, { maps: [map] });
    for (let i = 0; i < 40; i++) await lseek(host, i, i + 1);
    const left = keysOf(map.keys());
    strictEqual(left.length > 0 && left.length <= 16, true);
    strictEqual(
      left.every((number) => sum(map.lookup(key(number))) === BigInt(number + 1)),
      true,
    );
  },
  'array: the address of its only value can be loaded': async (host) => {
    const map = host.createMap(spec('array', { maxEntries: 1, valueSize: 16 }));
    attachConfined(
      host,
      HOOK,
      [...ONLY, loadMapValue(R1, 'kept', 8), ldx('dw', R2, R1, 0), add(R2, 1), stx('dw', R1, 0, R2), mov(R0, 0)],
      { maps: [map] },
    );
    for (let i = 0; i < 3; i++) await lseek(host, 0, 0);
    deepStrictEqual(numbers(map.lookup(key(0))), [0n, 3n]);
  },
  'queue: what is pushed first is popped first': async (host) => {
    const map = host.createMap(spec('queue', { keySize: 0 }));
    const pushing = attachConfined(
      host,
      HOOK,
      [
        ...ONLY,
        stx('dw', R10, -8, R7),
        loadMap(R1, 'kept'),
        mov(R2, R10),
        add(R2, -8),
        mov(R3, 0),
        call(HELPERS.map_push_elem),
        mov(R0, 0),
      ],
      { maps: [map] },
    );
    for (const number of [5, 6, 7]) await lseek(host, number, 0);
    host.kernel.detach(pushing.link);
    const seen = observe(
      host,
      HOOK,
      2,
      [
        ...ONLY,
        st('dw', R10, -8, 0),
        loadMap(R1, 'kept'),
        mov(R2, R10),
        add(R2, -8),
        call(HELPERS.map_pop_elem),
        stx('dw', R10, -16, R0),
      ],
      { maps: [map] },
    );
    for (let i = 0; i < 4; i++) await lseek(host, 0, 0);
    const low = (value = 0n): bigint => BigInt.asUintN(32, value);
    deepStrictEqual(
      seen.records().map(([value, result]) => [value, low(result)]),
      [
        [5n, 0n],
        [6n, 0n],
        [7n, 0n],
        [0n, low(BigInt(-ENOENT))],
      ],
    );
  },
});
