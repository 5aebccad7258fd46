import {
  add,
  add32,
  and,
  assemble,
  atomicAdd,
  call,
  exit,
  type Instruction,
  type Item,
  ja,
  jeq,
  jge,
  jgt,
  jlt,
  jne,
  label,
  lddw,
  ldx,
  loadMap,
  loadMapValue,
  lsh,
  mod,
  mov,
  mov32,
  mul,
  or,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R6,
  R7,
  R8,
  R10,
  rsh,
  st,
  stx,
  xor,
} from '../engine/isa/index.ts';
import { type Btf, type MapSpec, relocate } from '../engine/object/index.ts';

/** A program that is the same bytes for all machines: what it works on lies in maps. */
export interface BenchProgram {
  readonly name: string;
  readonly maps: readonly MapSpec[];
  readonly items: readonly Item[];
}

const PATH = 8;
const PREFIX = 256;
const DATA_BYTES = 8192;
/** An event in `data`, and what the programs compare it with. */
const EVENT = { number: 0, uid: 4, path: PATH, result: 48 } as const;
const WORDS = 5;
const MAP_LOOKUP = 1;

const bytesOf = (text: string, size: number): Uint8Array => {
  const bytes = new Uint8Array(size);
  bytes.set(new TextEncoder().encode(text));
  return bytes;
};
const path = bytesOf('/etc/ssh/ssh_host_ed25519_key', 8 * WORDS);

const dataContents = (): Uint8Array => {
  const bytes = new Uint8Array(DATA_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(EVENT.number, 257, true);
  view.setUint32(EVENT.uid, 1000, true);
  view.setBigUint64(EVENT.result, 3n, true);
  bytes.set(path, EVENT.path);
  bytes.set(bytesOf('/etc/ssh/ssh_host_ed2551', 64), PREFIX);
  return bytes;
};

/** One value, which programs reach by its address. */
const data: MapSpec = {
  name: 'data',
  type: 'array',
  keySize: 4,
  valueSize: DATA_BYTES,
  maxEntries: 1,
  contents: [[new Uint8Array(4), dataContents()]],
};
const counts: MapSpec = { name: 'counts', type: 'array', keySize: 4, valueSize: 8, maxEntries: 512 };
const users: MapSpec = {
  name: 'users',
  type: 'hash',
  keySize: 4,
  valueSize: 8,
  maxEntries: 64,
  contents: [[new Uint8Array(Uint32Array.of(1000).buffer), new Uint8Array(8).fill(1)]],
};

const ROUNDS = 10_000;
/** Goes round 512 words: makes a hash of them as Java does, and another, and writes each back with the round's number added. */
const arithmeticAndMemory: readonly Item[] = [
  loadMapValue(R6, 'data', 0),
  mov(R0, 0),
  mov(R1, 0),
  mov(R7, 0),
  label('loop'),
  mov(R2, R1),
  and(R2, 511),
  lsh(R2, 3),
  mov(R3, R6),
  add(R3, R2),
  ldx('dw', R4, R3, 4096 - 8),
  mul(R0, 31),
  add(R0, R4),
  mov(R5, R4),
  rsh(R5, 3),
  xor(R7, R5),
  add(R4, R1),
  stx('dw', R3, 4096 - 8, R4),
  add(R1, 1),
  jlt(R1, ROUNDS, 'loop'),
  xor(R0, R7),
  mov32(R0, R0),
  exit(),
];

/** Counts them by trial division, from a 0 that no verifier knows: states that differ in the count only are then one. */
const primes: readonly Item[] = [
  loadMapValue(R6, 'data', 0),
  ldx('dw', R0, R6, DATA_BYTES - 8),
  mov(R1, 2),
  label('number'),
  mov(R2, 2),
  label('divisor'),
  mov(R3, R2),
  mul(R3, R2),
  jgt(R3, R1, 'prime'),
  mov(R4, R1),
  mod(R4, R2),
  jeq(R4, 0, 'next'),
  add(R2, 1),
  ja('divisor'),
  label('prime'),
  add(R0, 1),
  label('next'),
  add(R1, 1),
  jlt(R1, 300, 'number'),
  mov32(R0, R0),
  exit(),
];

/** Short work is done over and over in one run, or what the kernel's harness takes would hide a part of it. The sum begins with a 0 as above. */
const TIMES = 30;
const times = (work: readonly Item[]): readonly Item[] => [
  loadMapValue(R6, 'data', 0),
  mov(R7, 0),
  ldx('dw', R8, R6, DATA_BYTES - 8),
  label('again'),
  ...work,
  add(R8, R0),
  add(R7, 1),
  jlt(R7, TIMES, 'again'),
  mov(R0, R8),
  mov32(R0, R0),
  exit(),
];

const fnv = times([
  lddw(R0, 0xcbf29ce484222325n),
  lddw(R3, 0x100000001b3n),
  mov(R2, 0),
  label('byte'),
  mov(R4, R6),
  add(R4, R2),
  ldx('b', R5, R4, 0),
  xor(R0, R5),
  mul(R0, R3),
  add(R2, 1),
  jlt(R2, 64, 'byte'),
]);

const prefix = times([
  mov(R0, 0),
  mov(R2, 0),
  label('byte'),
  mov(R3, R6),
  add(R3, R2),
  ldx('b', R5, R3, PREFIX),
  jeq(R5, 0, 'match'),
  ldx('b', R4, R3, PATH),
  jne(R4, R5, 'end'),
  add(R2, 1),
  jlt(R2, 64, 'byte'),
  label('match'),
  mov(R0, 1),
  label('end'),
]);

/** Number, uid and result, a path compared in words, and a mark made of what was seen: 48 instructions where the event passes. */
const filter = (): readonly Item[] => {
  const words = new DataView(path.buffer);
  const comparisons = Array.from({ length: WORDS }, (_, index) => [
    ldx('dw', R2, R6, EVENT.path + 8 * index),
    lddw(R3, words.getBigUint64(8 * index, true)),
    jne(R2, R3, 'miss'),
  ]).flat();
  const mark = Array.from({ length: 10 }, () => [mul(R4, 31), xor(R4, R5)]).flat();
  return [
    loadMapValue(R6, 'data', 0),
    ldx('w', R2, R6, EVENT.number),
    jne(R2, 257, 'miss'),
    ldx('w', R4, R6, EVENT.uid),
    jge(R4, 65_536, 'miss'),
    ldx('dw', R5, R6, EVENT.result),
    jge(R5, 1024, 'miss'),
    ...comparisons,
    ...mark,
    or(R4, 1),
    stx('w', R10, -8, R4),
    ldx('w', R0, R10, -8),
    rsh(R0, 31),
    mov(R0, 1),
    exit(),
    label('miss'),
    mov(R0, 0),
    exit(),
  ];
};

/** Counts an event in an array by its number, and in a hash map by its user. */
const counters: readonly Item[] = [
  loadMapValue(R6, 'data', 0),
  mov(R7, 1),
  ldx('w', R2, R6, EVENT.number),
  stx('w', R10, -4, R2),
  ldx('w', R2, R6, EVENT.uid),
  stx('w', R10, -8, R2),
  loadMap(R1, 'counts'),
  mov(R2, R10),
  add(R2, -4),
  call(MAP_LOOKUP),
  jeq(R0, 0, 'miss'),
  atomicAdd('dw', R0, 0, R7),
  loadMap(R1, 'users'),
  mov(R2, R10),
  add(R2, -8),
  call(MAP_LOOKUP),
  jeq(R0, 0, 'miss'),
  atomicAdd('dw', R0, 0, R7),
  mov(R0, 1),
  exit(),
  label('miss'),
  mov(R0, 0),
  exit(),
];

export const PROGRAMS: readonly BenchProgram[] = [
  { name: 'arithmetic and memory', maps: [data], items: arithmeticAndMemory },
  { name: 'primes below 300', maps: [data], items: primes },
  { name: `FNV of 64 bytes, ${TIMES} times`, maps: [data], items: fnv },
  { name: `prefix compare, ${TIMES} times`, maps: [data], items: prefix },
  { name: 'event filter', maps: [data], items: filter() },
  { name: 'map counters', maps: [data, counts, users], items: counters },
];

/** What the kernel's harness takes to run nothing. */
export const EMPTY: BenchProgram = { name: 'empty', maps: [], items: [mov(R0, 0), exit()] };

/**
 * About `size` instructions of the kinds that compiled rules have: loads from the stack, comparisons that leave, arithmetic.
 * @param mark a constant in it, so that no two programs are the same to a cache of compiled code
 */
export const straight = (size: number, mark: number): readonly Item[] => {
  const group = (n: number): readonly Item[] => [
    ldx('w', R2, R10, -8 * (1 + (n % 8))),
    add(R2, n),
    jgt(R2, 1 << 30, 'out'),
    xor(R0, R2),
    mul(R0, 31),
    and(R2, 0xff),
    stx('b', R10, -1 - (n % 64), R2),
    add32(R0, R2),
  ];
  return [
    mov(R0, mark),
    ...Array.from({ length: 8 }, (_, n) => st('dw', R10, -8 * (n + 1), n)),
    ...Array.from({ length: Math.ceil((size - 12) / 8) }, (_, n) => group(n)).flat(),
    label('out'),
    add32(R0, 1),
    exit(),
  ];
};

/** The program with its maps' handles in place. */
export const bind = (
  { name, items }: BenchProgram,
  maps: (map: string) => number | undefined,
  btf: Btf,
): Instruction[] => relocate({ name, hook: 'xdp', ...assemble(items) }, maps, btf);
