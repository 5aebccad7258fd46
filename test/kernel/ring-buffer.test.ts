import { describe, expect, it, onTestFinished } from 'vitest';
import * as isa from '../../engine/isa/index.ts';
import { assemble, type Instruction, type Item, R0, R1, R2, R3, R4, R6, R7 } from '../../engine/isa/index.ts';
import { createMap, isRingBuffer } from '../../engine/maps/index.ts';
import type { MapSpec } from '../../engine/object/index.ts';
import { createInterpreter, Memory } from '../../engine/vm/index.ts';
import { createLinuxMap, loadLinuxProgram, openRingBuffer, testRun } from '../../sensors/linux/index.ts';
import { count, seed } from '../support/counts.ts';
import { testEnvironment } from '../support/environment.ts';
import { kernelSkip } from '../support/kernel.ts';
import { createRandom } from '../support/random.ts';
import { wide } from './map-program.ts';

const skip = kernelSkip();
const RING: MapSpec = { name: 'ring', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 8192 };
const ORDER: MapSpec = { name: 'order', type: 'array', keySize: 4, valueSize: 4096 + 64, maxEntries: 1 };
const [RESULT, OPERATION, SIZE, FLAGS, DATA] = [0, 8, 12, 16, 64];
const OPERATIONS = ['output', 'submit', 'discard', 'query'] as const;
const RESERVED = 40;

/** Writes a record or asks about the buffer, as the order says; leaves the result there. */
function programOf(ring: number, order: number): Instruction[] {
  const flags = (dst: isa.Register): Item => isa.ldx('dw', dst, R6, FLAGS);
  const reserved = (helper: number): Item[] => [
    wide(R1, isa.BPF_PSEUDO_MAP_FD, ring),
    isa.mov(R2, RESERVED),
    flags(R3),
    isa.call(131),
    isa.jeq(R0, 0, 'out'),
    isa.ldx('dw', R1, R6, DATA),
    ...Array.from({ length: RESERVED / 8 }, (_, i) => isa.stx('dw', R0, 8 * i, R1)),
    isa.mov(R1, R0),
    isa.mov(R2, 0),
    isa.call(helper),
    isa.mov(R0, 1),
    isa.ja('out'),
  ];
  return assemble([
    wide(R6, isa.BPF_PSEUDO_MAP_VALUE, order),
    isa.ldx('w', R7, R6, OPERATION),
    isa.jeq(R7, 1, 'submit'),
    isa.jeq(R7, 2, 'discard'),
    isa.jeq(R7, 3, 'query'),
    wide(R1, isa.BPF_PSEUDO_MAP_FD, ring),
    isa.mov(R2, R6),
    isa.add(R2, DATA),
    isa.ldx('w', R3, R6, SIZE),
    isa.and(R3, 0xfff),
    flags(R4),
    isa.call(130),
    isa.ja('out'),
    isa.label('submit'),
    ...reserved(132),
    isa.label('discard'),
    ...reserved(133),
    isa.label('query'),
    wide(R1, isa.BPF_PSEUDO_MAP_FD, ring),
    flags(R2),
    isa.call(134),
    isa.label('out'),
    isa.stx('dw', R6, RESULT, R0),
    isa.mov(R0, 0),
    isa.exit(),
  ]).instructions;
}

describe.skipIf(skip)("a ring buffer beside the running kernel's", () => {
  it('has the same room, positions, results and records for the same operations of programs', () => {
    const random = createRandom(seed('ring buffer'));
    const ring = createLinuxMap(RING);
    const order = createLinuxMap(ORDER);
    const reader = openRingBuffer(ring);
    const instructions = programOf(ring.fd, order.fd);
    const program = loadLinuxProgram({ name: 'ring', programType: 'socket_filter', instructions });
    onTestFinished(() => {
      for (const each of [program, reader, order, ring]) each.close();
    });
    const memory = new Memory(1 << 20);
    const ours = createMap(memory, RING, ring.fd);
    const orderOfOurs = createMap(memory, ORDER, order.fd);
    if (!isRingBuffer(ours)) throw new Error('not a ring buffer');
    const interpreter = createInterpreter({ instructions }, testEnvironment({ memory }, [ours, orderOfOurs]));

    const key = new Uint8Array(4);
    const bytes = new Uint8Array(ORDER.valueSize);
    const view = new DataView(bytes.buffer);
    const results = new Set<string>();
    /** How many more records to write of which two would fill the buffer to its last byte, which must not be. */
    let halves = 0;
    for (let i = 0; i < count(50_000); i++) {
      if (random.chance(0.05)) {
        const [own, its]: [Uint8Array[], Uint8Array[]] = [[], []];
        ours.consume((record) => own.push(record.slice()));
        reader.consume((record) => its.push(record.slice()));
        expect(Buffer.concat(own).equals(Buffer.concat(its))).toBe(true);
        expect(own.map(({ length }) => length)).toEqual(its.map(({ length }) => length));
        halves = random.pick([0, 2]);
        continue;
      }
      const operation = halves > 0 ? 0 : random.below(OPERATIONS.length);
      view.setUint32(OPERATION, operation, true);
      const size = halves > 0 ? RING.maxEntries / 2 - 8 : random.pick([0, 1, 7, 8, 100, 1000, random.below(4096)]);
      const flags = halves > 0 ? 0 : random.pick(operation === 3 ? [0, 1, 2, 3, 4] : [0, 0, 0, 1, 2, 4]);
      if (halves > 0) halves--;
      view.setUint32(SIZE, size, true);
      view.setBigUint64(FLAGS, BigInt(flags), true);
      bytes.fill(i, DATA, DATA + 100);
      for (const side of [order, orderOfOurs]) side.update(key, bytes);
      testRun(program.fd, { dataIn: new Uint8Array(14) });
      interpreter.run(0n);
      const [own, its] = [orderOfOurs, order].map((side) =>
        new DataView((side.lookup(key) as Uint8Array).buffer).getBigInt64(RESULT, true),
      );
      expect(own, `operation ${i}: ${OPERATIONS[operation]}`).toBe(its);
      if (operation !== 3) results.add(`${OPERATIONS[operation]} ${its}`);
    }
    expect([...results].sort()).toEqual([
      'discard 0',
      'discard 1',
      'output -11',
      'output -22',
      'output 0',
      'submit 0',
      'submit 1',
    ]);
  });
});
