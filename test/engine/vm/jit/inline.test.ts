import { describe, expect, test } from 'vitest';
import {
  add,
  assemble,
  call,
  exit,
  type Instruction,
  type Item,
  jeq,
  jne,
  label,
  ldx,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R6,
  R7,
  R10,
  stx,
} from '../../../../engine/isa/index.ts';
import { type BpfMap, createMap, isRingBuffer } from '../../../../engine/maps/index.ts';
import type { MapSpec } from '../../../../engine/object/index.ts';
import { createInterpreter, createJit, type JitOptions, type VmEnvironment } from '../../../../engine/vm/index.ts';
import { testEnvironment } from '../../../support/environment.ts';

const [LOOKUP, UPDATE, DELETE, PROBE_READ_KERNEL, RESERVE, SUBMIT, DISCARD] = [1, 2, 3, 113, 131, 132, 133];

const SPECS: readonly MapSpec[] = [
  { name: 'array', type: 'array', keySize: 4, valueSize: 12, maxEntries: 5 },
  { name: 'hash', type: 'hash', keySize: 4, valueSize: 8, maxEntries: 2 },
  { name: 'ring', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 },
  {
    ...{ name: 'outer', type: 'array_of_maps', keySize: 4, valueSize: 4, maxEntries: 2 },
    inner: { name: 'inner', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1 },
  },
];
const handleOf = (name: string): number => SPECS.findIndex((spec) => spec.name === name) + 1;

/** r1 = the map, by its handle. */
const map = (name: string, dst = 1): Item => ({
  kind: 'instruction',
  slots: [
    { opcode: 0x18, dst, src: 1, offset: 0, imm: handleOf(name) },
    { opcode: 0, dst: 0, src: 0, offset: 0, imm: 0 },
  ],
});
/** r2 = a place on the stack with the context's word at `offset`. */
const key = (offset: number): Item[] => [ldx('w', R3, R6, offset), stx('w', R10, -4, R3), mov(R2, R10), add(R2, -4)];

interface Bench {
  readonly environment: VmEnvironment;
  readonly maps: readonly BpfMap[];
  readonly context: number;
}

function bench(): Bench {
  const environment = testEnvironment();
  const maps = SPECS.map((spec, index) => createMap(environment.memory, spec, index + 1));
  return {
    environment: { ...environment, map: (handle) => maps[handle - 1] },
    maps,
    context: environment.memory.allocate(64),
  };
}

/** Runs the same calls in interpreter, checked and trusted JIT, each with maps of its own; the results must be the same. */
function compare(items: readonly Item[], contexts: readonly (readonly number[])[], look: (bench: Bench) => unknown) {
  const program: { instructions: Instruction[] } = assemble([mov(R6, R1), ...items]);
  const make = (options: JitOptions | undefined) => {
    const made = bench();
    const { environment } = made;
    const machine = options ? createJit(program, environment, options) : createInterpreter(program, environment);
    const results = contexts.map((words) => {
      for (const [n, word] of words.entries()) environment.memory.view.setUint32(made.context + 4 * n, word, true);
      const r0 = machine.run(environment.memory.address(made.context));
      return [r0, environment.memory.view.getBigUint64(made.context + 56, true)];
    });
    return { results, left: look(made) };
  };
  const reference = make(undefined);
  expect(make({ checked: true })).toEqual(reference);
  expect(make({ checked: false })).toEqual(reference);
  return reference;
}

const valuesOf =
  (name: string) =>
  ({ maps }: Bench): unknown => {
    const found = maps[handleOf(name) - 1]!;
    return [...found.keys()].map((each) => [[...each], [...(found.lookup(each) ?? [])]]);
  };

describe('helpers in place do what the host does', () => {
  test('bpf_map_lookup_elem of an array: an entry, or 0 beyond the end', () => {
    const items = [
      ...key(0),
      map('array'),
      call(LOOKUP),
      jne(R0, 0, 'found'),
      mov(R0, -1),
      exit(),
      label('found'),
      ldx('dw', R1, R0, 4),
      add(R1, 3),
      stx('dw', R0, 4, R1),
      mov(R0, R1),
      exit(),
    ];
    const { results } = compare(items, [[0], [4], [4], [5], [0xffff_ffff], [3]], valuesOf('array'));
    expect(results.map(([r0]) => BigInt.asIntN(64, r0!))).toEqual([3n, 3n, 6n, -1n, -1n, 3n]);
  });

  test('the map is known through other registers and not after a jump from elsewhere', () => {
    const items = [
      map('array', 7),
      ldx('w', R0, R6, 4),
      jeq(R0, 0, 'other'),
      map('hash', 7),
      label('other'),
      ...key(0),
      mov(R1, R7),
      call(LOOKUP),
      jeq(R0, 0, 'none'),
      mov(R0, 1),
      label('none'),
      exit(),
    ];
    const { results } = compare(
      items,
      [
        [1, 0],
        [1, 1],
      ],
      () => undefined,
    );
    expect(results.map(([r0]) => r0)).toEqual([1n, 0n]);
  });

  test('lookups in maps of maps give what the host gives', () => {
    const { results } = compare([...key(0), map('outer'), call(LOOKUP), exit()], [[0], [1], [2]], () => undefined);
    expect(results.map(([r0]) => r0)).toEqual([0n, 0n, 0n]);
  });

  test('bpf_map_update_elem, lookup and bpf_map_delete_elem of a hash map, with their errors', () => {
    const value = [ldx('dw', R4, R6, 8), stx('dw', R10, -16, R4), mov(R3, R10), add(R3, -16)];
    const update = (flags: number) => [...key(0), ...value, map('hash'), mov(R4, flags), call(UPDATE), exit()];
    const [E2BIG, ENOENT, EEXIST, EINVAL] = [7n, 2n, 17n, 22n];
    const codes = (items: readonly Item[], contexts: readonly (readonly number[])[]) =>
      compare(items, contexts, valuesOf('hash')).results.map(([r0]) => -BigInt.asIntN(64, r0!));
    expect(
      codes(update(0), [
        [1, 0, 5],
        [2, 0, 6],
        [1, 0, 7],
        [3, 0, 8],
      ]),
    ).toEqual([0n, 0n, 0n, E2BIG]);
    expect(
      codes(update(1), [
        [1, 0, 5],
        [1, 0, 6],
      ]),
    ).toEqual([0n, EEXIST]);
    expect(codes(update(2), [[1, 0, 5]])).toEqual([ENOENT]);
    expect(codes(update(77), [[1, 0, 5]])).toEqual([EINVAL]);
    const all = [
      ...[...key(0), ...value, map('hash'), mov(R4, 0), call(UPDATE)],
      ...[...key(0), map('hash'), call(LOOKUP), jeq(R0, 0, 'out'), ldx('dw', R7, R0, 0)],
      ...[...key(0), map('hash'), call(DELETE), add(R0, R7), stx('dw', R6, 56, R0)],
      ...[...key(0), map('hash'), call(DELETE)],
      label('out'),
      exit(),
    ];
    const { results } = compare(
      all,
      [
        [9, 0, 123, 0],
        [9, 0, 124, 1],
      ],
      valuesOf('hash'),
    );
    expect(results).toEqual([
      [2n ** 64n - ENOENT, 123n],
      [2n ** 64n - ENOENT, (1n << 32n) | 124n],
    ]);
  });

  test('ring buffer records: reserved, submitted or discarded, and lost where there is no room', () => {
    const record = (bytes: number) => [
      ...[map('ring'), mov(R2, bytes), mov(R3, 0), call(RESERVE), jeq(R0, 0, 'full')],
      ...[ldx('dw', R1, R6, 0), stx('dw', R0, 0, R1), stx('w', R0, bytes - 4, R1), mov(R1, R0), mov(R2, 0)],
      ...[ldx('w', R3, R6, 8), jne(R3, 0, 'discard'), call(SUBMIT), mov(R0, 1), exit()],
      ...[label('discard'), call(DISCARD), mov(R0, 2), exit(), label('full'), mov(R0, 3), exit()],
    ];
    const look = ({ maps }: Bench): unknown => {
      const ring = maps[handleOf('ring') - 1]!;
      if (!isRingBuffer(ring)) return undefined;
      const records: number[][] = [];
      ring.consume((bytes) => records.push([...bytes]));
      return { records, lost: ring.lost };
    };
    const contexts = Array.from({ length: 70 }, (_, n) => [n, n, n % 3 === 0 ? 1 : 0]);
    const { results, left } = compare(record(100), contexts, look);
    // A record of 100 bytes takes 112 with its header: 36 fit in 4,095 bytes.
    expect(results.map(([r0]) => r0).indexOf(3n)).toBe(36);
    expect(left).toMatchObject({ lost: 34 });
    expect((left as { records: number[][] }).records).toHaveLength(24);
    expect(compare(record(4096), [[1]], look).results.map(([r0]) => r0)).toEqual([3n]);
    expect(
      compare(record(8), contexts, look)
        .results.map(([r0]) => r0)
        .filter((r0) => r0 === 3n),
    ).toEqual([]);
  });

  test('a ring buffer that goes round and is emptied in between', () => {
    const items = [
      ...[map('ring'), mov(R2, 1000), mov(R3, 0), call(RESERVE), jeq(R0, 0, 'full')],
      ...[ldx('dw', R1, R6, 0), stx('dw', R0, 992, R1), mov(R1, R0), mov(R2, 0), call(SUBMIT), mov(R0, 1)],
      ...[label('full'), exit()],
    ];
    const made = bench();
    const ring = made.maps[handleOf('ring') - 1]!;
    const jit = createJit(assemble([mov(R6, R1), ...items]), made.environment, { checked: false });
    const seen: bigint[] = [];
    for (let n = 0; n < 50; n++) {
      made.environment.memory.view.setBigUint64(made.context, BigInt(n), true);
      expect(jit.run32(made.context)).toBe(1);
      if (isRingBuffer(ring) && n % 3 === 2)
        ring.consume((bytes) => seen.push(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(992, true)));
    }
    expect(seen).toEqual(Array.from({ length: 48 }, (_, n) => BigInt(n)));
  });

  test('a reservation with flags, or of a size that is not known, is left to the host', () => {
    const reserve = (size: Item, flags: number) => [map('ring'), size, mov(R3, flags), call(RESERVE), exit()];
    const lost = ({ maps }: Bench): unknown => {
      const ring = maps[handleOf('ring') - 1]!;
      return isRingBuffer(ring) && ring.lost;
    };
    expect(compare(reserve(mov(R2, 8), 1), [[0]], lost)).toEqual({ results: [[0n, 0n]], left: 0 });
    expect(compare(reserve(ldx('w', R2, R6, 0), 0), [[0x3fff_ffff]], lost)).toEqual({ results: [[0n, 0n]], left: 1 });
  });

  test.each([
    ['constant sizes', (bytes: number) => mov(R2, bytes), [1, 2, 3, 4, 7, 8, 16, 40]],
    ['sizes that only the run knows', () => ldx('w', R2, R6, 0), [0, 1, 3, 4, 8, 17, 40]],
  ])('bpf_probe_read_kernel of %s, where there is memory and where there is none', (_, size, sizes) => {
    for (const bytes of sizes) {
      const items = [
        ...[mov(R1, R6), add(R1, 16), size(bytes), ldx('dw', R3, R6, 8), call(PROBE_READ_KERNEL)],
        ...[stx('dw', R6, 56, R0), exit()],
      ];
      const bytesAt = ({ environment, context }: Bench): unknown => [
        ...environment.memory.bytes.subarray(context, context + 64),
      ];
      const halves = (address: bigint): number[] => [Number(address & 0xffff_ffffn), Number(address >> 32n)];
      const at = bench().environment.memory.address(bench().context);
      const fill = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
      for (const [address, r0] of [
        [at, 0n],
        [at + 9n, 0n],
        [0n, -34n],
        [0x7fff_0000_0000n, -34n],
        [0xffff_8880_0000_0000n, -14n],
        [0xffff_8880_7000_0000n, -14n],
        [0xffff_8890_0001_0000n, -14n],
      ] as const) {
        const { results } = compare(items, [[bytes, 8, ...halves(address), ...fill]], bytesAt);
        expect(results[0]![0]).toBe(bytes === 0 ? 0n : BigInt.asUintN(64, r0));
      }
    }
  });
});
