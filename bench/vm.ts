import {
  add,
  assemble,
  exit,
  type Item,
  jge,
  jne,
  label,
  lddw,
  ldx,
  mov,
  mul,
  or,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R6,
  R10,
  rsh,
  st,
  stx,
  sub,
  xor,
} from '../engine/isa/index.ts';
import { createInterpreter, Memory, type VmEnvironment } from '../engine/vm/index.ts';
import { type Case, type Measurement, measure, nanoseconds } from './harness.ts';

/** Instructions that a sample runs, more or less. */
const PER_SAMPLE = 1_000_000;
const ROUNDS = 10_000;

const arithmetic: readonly Item[] = [
  mov(R0, 1),
  mov(R1, ROUNDS),
  label('loop'),
  add(R0, R1),
  mul(R0, 0x01000193),
  xor(R0, R1),
  rsh(R0, 3),
  sub(R1, 1),
  jne(R1, 0, 'loop'),
  exit(),
];

const memory: readonly Item[] = [
  mov(R0, 0),
  mov(R1, ROUNDS),
  st('dw', R10, -8, 0),
  st('dw', R10, -16, 1),
  label('loop'),
  ldx('dw', R2, R10, -8),
  ldx('w', R3, R10, -16),
  add(R2, R3),
  stx('dw', R10, -8, R2),
  stx('b', R10, -16, R2),
  ldx('b', R0, R10, -8),
  sub(R1, 1),
  jne(R1, 0, 'loop'),
  exit(),
];

/** An event that the filter takes: number, uid, result, and a path of 40 bytes. */
const EVENT = { number: 0, uid: 4, result: 8, path: 16, size: 56 } as const;
const PATH = '/var/lib/shrike/bench/secret-file.dat';
const WORDS = 5;

const pathBytes = (): Uint8Array => {
  const bytes = new Uint8Array(WORDS * 8);
  new TextEncoder().encodeInto(PATH, bytes);
  return bytes;
};

/** Number, uid and result, a path compared in words, and a mark made of what was seen: 48 instructions where the event passes. */
const filter = (): readonly Item[] => {
  const words = new DataView(pathBytes().buffer);
  const comparisons = Array.from({ length: WORDS }, (_, index) => [
    ldx('dw', R2, R6, EVENT.path + 8 * index),
    lddw(R3, words.getBigUint64(8 * index, true)),
    jne(R2, R3, 'miss'),
  ]).flat();
  const mark = Array.from({ length: 10 }, () => [mul(R4, 31), xor(R4, R5)]).flat();
  return [
    mov(R6, R1),
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

const environmentWith = (machine: Memory): VmEnvironment => ({
  memory: machine,
  map: () => undefined,
  bootNs: () => 0n,
  currentTask: () => 0n,
  currentPidTgid: () => 0n,
  currentUidGid: () => 0n,
  currentComm: () => new Uint8Array(16),
  currentCgroupId: () => 0n,
  currentAncestorCgroupId: () => 0n,
  readUser: () => undefined,
  sendSignal: () => 0,
  random: () => 0,
  trace: () => {},
});

const caseOf = (name: string, items: readonly Item[], baseline?: string): Case => {
  const machine = new Memory(1024 * 1024);
  const event = machine.allocate(EVENT.size);
  machine.view.setUint32(event + EVENT.number, 257, true);
  machine.view.setUint32(event + EVENT.uid, 1000, true);
  machine.view.setBigUint64(event + EVENT.result, 3n, true);
  machine.bytes.set(pathBytes(), event + EVENT.path);
  const context = machine.address(event);
  const interpreter = createInterpreter({ instructions: assemble(items).instructions }, environmentWith(machine));
  interpreter.run(context);
  const { executed } = interpreter;
  const runs = Math.max(1, Math.round(PER_SAMPLE / executed));
  return {
    name: `${name} (${executed} instructions)`,
    unit: 'ns/instruction',
    ...(baseline === undefined ? {} : { baseline }),
    sample: () => {
      const total = nanoseconds(() => {
        for (let run = 0; run < runs; run++) interpreter.run(context);
      });
      return total / (runs * executed);
    },
  };
};

/** The interpreter, by instruction; the loops are compared with arithmetic, the filter's calls count in. */
export const vm = (samples: number): Promise<readonly Measurement[]> => {
  const first = caseOf('arithmetic loop', arithmetic);
  const cases = [first, caseOf('memory loop', memory, first.name), caseOf('event filter', filter(), first.name)];
  return measure('vm', cases, samples);
};
