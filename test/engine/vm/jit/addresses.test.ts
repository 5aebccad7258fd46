import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Instruction, LDDW } from '../../../../engine/isa/index.ts';
import { createInterpreter, createJit, type JitOptions } from '../../../../engine/vm/index.ts';
import { count, seed } from '../../../support/counts.ts';
import { testEnvironment } from '../../../support/environment.ts';

const CONTEXT_BYTES = 256;

const slot = (opcode: number, fields: Partial<Instruction> = {}): Instruction => ({
  ...{ opcode, dst: 0, src: 0, offset: 0, imm: 0 },
  ...fields,
});
const [ADD, ADD_CONSTANT, MOV, AND, LOAD, STORE, XOR] = [0x0f, 0x07, 0xbf, 0x57, 0x79, 0x7b, 0xaf];

type Piece = (address: bigint) => Instruction[];

/** A constant address of the context's middle, and whether it goes to r9, which nothing else writes. */
const constant =
  (dst: number, distance: number): Piece =>
  (address) => {
    const value = address + BigInt(CONTEXT_BYTES / 2 + distance);
    return [
      slot(LDDW, { dst, imm: Number(BigInt.asIntN(32, value)) }),
      slot(0, { imm: Number(BigInt.asIntN(32, value >> 32n)) }),
    ];
  };

/** r2 to r5 are scalars; r6 to r8 point somewhere into the context or the stack, at most 40 bytes from where they were made to. */
const scalar = fc.constantFrom(2, 3, 4, 5);
const pointer = fc.constantFrom(6, 7, 8);
const small = fc.integer({ min: -16, max: 16 });
const pieces: fc.Arbitrary<Piece> = fc.oneof(
  // A new pointer, made of a constant, the context (r1 and 128) or the stack (r10 - 128), and a bounded scalar in either order.
  fc.tuple(pointer, small).map(([dst, n]): Piece => constant(dst, n)),
  fc.tuple(pointer, scalar, small, fc.integer({ min: 0, max: 3 })).map(
    ([dst, index, n, kind]): Piece =>
      (address) => {
        const bounded = [slot(AND, { dst: index, imm: 15 })];
        const add = slot(ADD_CONSTANT, { dst, imm: n });
        if (kind === 0) return [...bounded, ...constant(dst, 0)(address), slot(ADD, { dst, src: index }), add];
        if (kind === 1) return [...bounded, slot(MOV, { dst, src: index }), slot(ADD, { dst, src: 9 }), add];
        if (kind === 2)
          return [
            ...bounded,
            slot(MOV, { dst, src: 10 }),
            slot(ADD_CONSTANT, { dst, imm: -128 }),
            slot(ADD, { dst, src: index }),
            add,
          ];
        return [
          ...bounded,
          slot(MOV, { dst, src: 1 }),
          slot(ADD, { dst, src: index }),
          slot(ADD_CONSTANT, { dst, imm: 128 }),
          add,
        ];
      },
  ),
  fc.tuple(pointer, pointer).map(
    ([dst, src]): Piece =>
      () =>
        dst === src ? [] : [slot(MOV, { dst, src })],
  ),
  // What an address was made of changes afterwards.
  fc.tuple(scalar, scalar).map(
    ([dst, src]): Piece =>
      () => [slot(XOR, { dst, src })],
  ),
  fc.tuple(scalar, small).map(
    ([dst, imm]): Piece =>
      () => [slot(ADD_CONSTANT, { dst, imm })],
  ),
  fc.tuple(scalar, pointer, small).map(
    ([dst, src, offset]): Piece =>
      () => [slot(LOAD, { dst, src, offset })],
  ),
  fc.tuple(scalar, pointer, small).map(
    ([src, dst, offset]): Piece =>
      () => [slot(STORE, { dst, src, offset })],
  ),
  // A fetching addition leaves the old value in its register.
  fc.tuple(scalar, pointer, small).map(
    ([src, dst, offset]): Piece =>
      () => [slot(0xdb, { dst, src, offset, imm: 1 })],
  ),
  fc.tuple(scalar, fc.integer({ min: 1, max: 3 })).map(
    ([dst, offset]): Piece =>
      () => [
        slot(0x45, { dst, imm: 4, offset }),
        ...Array.from({ length: offset }, (_, n) => slot(ADD_CONSTANT, { dst: 2 + n, imm: 7 })),
      ],
  ),
);

const START: Piece = (address) => [
  ...constant(9, 0)(address),
  ...[2, 3, 4, 5].map((dst) => slot(LOAD, { dst, src: 1, offset: 8 * dst })),
  ...[6, 7, 8].flatMap((dst) => constant(dst, 8 * (dst - 7))(address)),
];
const END = [slot(0xb7), ...[2, 3, 4, 5].map((src) => slot(XOR, { src })), slot(0x95)];

/** Runs on a memory whose stack is empty; gives r0, the context and the stack. */
const outcome = (program: readonly Piece[], bytes: Uint8Array, options: JitOptions | undefined): unknown => {
  const environment = testEnvironment();
  const { memory } = environment;
  const context = memory.allocate(CONTEXT_BYTES);
  memory.bytes.set(bytes, context);
  const before = memory.used;
  const instructions = [...[START, ...program].flatMap((piece) => piece(memory.address(context))), ...END];
  const machine = options
    ? createJit({ instructions }, environment, options)
    : createInterpreter({ instructions }, environment);
  const r0 = machine.run(memory.address(context));
  return {
    r0,
    memory: [...memory.bytes.subarray(context, context + CONTEXT_BYTES)],
    after: stackBytes(memory.bytes, before),
  };
};
/** The stack's top 256 bytes: it is the only other allocation, and ends at a page's end. */
const stackBytes = (bytes: Uint8Array, from: number): number[] => {
  const top = Math.ceil(from / 4096) * 4096 + 4096;
  return [...bytes.subarray(top - 256, top)];
};

test('addresses made of constants and registers lead a trusted run where they lead the interpreter', () => {
  fc.assert(
    fc.property(
      fc.array(pieces, { minLength: 1, maxLength: 40 }),
      fc.uint8Array({ minLength: CONTEXT_BYTES, maxLength: CONTEXT_BYTES }),
      (program, bytes) => {
        const reference = outcome(program, bytes, undefined);
        expect(outcome(program, bytes, { checked: false })).toEqual(reference);
        expect(outcome(program, bytes, { checked: true })).toEqual(reference);
      },
    ),
    { numRuns: count(20_000), seed: seed('addresses') },
  );
});
