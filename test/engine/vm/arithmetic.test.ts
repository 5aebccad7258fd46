import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Instruction, OPCODES, type Opcode } from '../../../engine/isa/index.ts';
import { createInterpreter, createJit, type ExecutableProgram, Memory } from '../../../engine/vm/index.ts';
import { count, seed } from '../../support/counts.ts';
import { testEnvironment } from '../../support/environment.ts';

const u = BigInt.asUintN;
const s = BigInt.asIntN;

/** RFC 9669, section 4.1, over plain integers of `bits` bits; what it gives is cut to 64 bits without sign. */
function arithmetic({ operation, width }: Opcode, a: bigint, b: bigint, offset: number): bigint {
  const [x, y] = [u(width, a), u(width, b)];
  const [signedX, signedY] = [s(width, a), s(width, b)];
  const shift = y % BigInt(width);
  const byOperation: Record<string, () => bigint> = {
    add: () => x + y,
    sub: () => x - y,
    mul: () => x * y,
    div: () => (y === 0n ? 0n : x / y),
    sdiv: () => (y === 0n ? 0n : signedX / signedY),
    mod: () => (y === 0n ? x : x % y),
    smod: () => (y === 0n ? x : signedX % signedY),
    or: () => x | y,
    and: () => x & y,
    xor: () => x ^ y,
    lsh: () => x << shift,
    rsh: () => x >> shift,
    arsh: () => signedX >> shift,
    neg: () => -x,
    mov: () => y,
    movsx: () => s(offset, b),
  };
  return u(width, byOperation[operation]!());
}

/** Section 4.2. */
function swapped({ operation, width }: Opcode, a: bigint): bigint {
  const digits = u(width, a)
    .toString(16)
    .padStart(width / 4, '0');
  return operation === 'le' ? u(width, a) : BigInt(`0x${digits.match(/../g)!.reverse().join('')}`);
}

/** Section 4.3. */
function jumps({ operation, width }: Opcode, a: bigint, b: bigint): boolean {
  const [x, y] = [u(width, a), u(width, b)];
  const [signedX, signedY] = [s(width, a), s(width, b)];
  const byOperation: Record<string, boolean> = {
    jeq: x === y,
    jne: x !== y,
    jgt: x > y,
    jge: x >= y,
    jlt: x < y,
    jle: x <= y,
    jset: (x & y) !== 0n,
    jsgt: signedX > signedY,
    jsge: signedX >= signedY,
    jslt: signedX < signedY,
    jsle: signedX <= signedY,
  };
  return byOperation[operation]!;
}

const edges = [0n, 1n, 2n, 31n, 32n, 33n, 63n, 64n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 0x1_0000_0000n];
const edge = fc.constantFrom(...edges, ...edges.map((value) => u(64, -value)), 1n << 63n, (1n << 63n) - 1n);
const word = fc.oneof(edge, fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));
/** Equal halves are what comparison and carry go wrong at. */
const pair = fc.oneof(
  fc.tuple(word, word),
  word.map((a): [bigint, bigint] => [a, a]),
  fc.tuple(word, word).map(([a, b]): [bigint, bigint] => [a, (a & ~0xffff_ffffn) | u(32, b)]),
  fc.tuple(word, word).map(([a, b]): [bigint, bigint] => [a, (b & ~0xffff_ffffn) | u(32, a)]),
);
const immediate = fc.oneof(
  fc.constantFrom(0, 1, -1, 31, 32, 63, 64, -0x8000_0000, 0x7fff_ffff),
  fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
);

const slot = (opcode: number, fields: Partial<Instruction> = {}): Instruction => ({
  ...{ opcode, dst: 0, src: 0, offset: 0, imm: 0 },
  ...fields,
});

const environment = testEnvironment({ memory: new Memory(16 * 1024 * 1024) });
const { memory } = environment;
const context = memory.allocate(24);

interface Runnable {
  run(contextAddress: bigint): bigint;
  close(): void;
}

/** The machines, and for how many programs one of the interpreter's is made: compiling takes longer than a run. */
const MACHINES: Readonly<Record<string, { make(program: ExecutableProgram): Runnable; fewer: number }>> = {
  interpreter: { make: (program) => createInterpreter(program, environment), fewer: 1 },
  JIT: { make: (program) => createJit(program, environment, { checked: false }), fewer: 5 },
  'checked JIT': { make: (program) => createJit(program, environment, { checked: true }), fewer: 5 },
};

/** r3 and r4 are the context's two words; r0 = r3 after the instruction, or whether it jumped. */
function machine(make: (program: ExecutableProgram) => Runnable, row: Opcode, imm = 0, src = 4) {
  const isJump = row.class === 'jmp' || row.class === 'jmp32';
  const fields = { dst: 3, src: row.source === 'reg' ? src : 0, imm, ...(isJump && { offset: 2 }), ...row.fixed };
  const load = [slot(0x79, { dst: 3, src: 1 }), slot(0x79, { dst: 4, src: 1, offset: 8 })];
  const jump = [slot(row.opcode, fields), slot(0xb7), slot(0x95), slot(0xb7, { imm: 1 }), slot(0x95)];
  const compute = [slot(row.opcode, fields), slot(0xbf, { src: 3 }), slot(0x95)];
  const made = make({ instructions: [...load, ...(isJump ? jump : compute)] });
  const run = (a: bigint, b: bigint): bigint => {
    memory.view.setBigUint64(context, a, true);
    memory.view.setBigUint64(context + 8, b, true);
    return made.run(memory.address(context));
  };
  return { run, close: () => made.close() };
}

function expected(row: Opcode, a: bigint, b: bigint): bigint {
  if (row.class === 'jmp' || row.class === 'jmp32') return jumps(row, a, b) ? 1n : 0n;
  if (['le', 'be', 'bswap'].includes(row.operation)) return swapped(row, a);
  return arithmetic(row, a, b, row.fixed.offset ?? 0);
}

const rows = OPCODES.filter(
  ({ class: cls, operation }) => cls.startsWith('alu') || /^j(eq|ne|set|s?[gl][te])$/.test(operation),
);

test('every arithmetic and conditional jump instruction is looked at', () => {
  expect(rows.length).toBe(2 * (14 * 2 + 1) + 5 + 9 + 2 * 11 * 2);
});

describe.each(Object.entries(MACHINES))('the registers of the %s compute what BigInt does', (_, { make, fewer }) => {
  test.each(rows.filter(({ source }) => source !== 'imm').map((row) => [row.name, row] as const))(
    '%s with registers',
    (name, row) => {
      const { run } = machine(make, row);
      const runTwice = row.source === 'reg' ? machine(make, row, 0, 3).run : undefined;
      fc.assert(
        fc.property(pair, ([a, b]) => {
          expect(run(a, b)).toBe(expected(row, a, b));
          if (runTwice) expect(runTwice(a, b)).toBe(expected(row, a, a));
        }),
        { numRuns: count(100_000 / fewer), seed: seed(`${name} with registers`) },
      );
    },
  );

  test.each(rows.filter(({ source }) => source === 'imm').map((row) => [row.name, row] as const))(
    '%s with a constant',
    (name, row) => {
      fc.assert(
        fc.property(immediate, fc.array(word, { minLength: 5, maxLength: 10 }), (imm, words) => {
          const { run, close } = machine(make, row, imm);
          for (const a of [...words, u(64, BigInt(imm))]) expect(run(a, 0n)).toBe(expected(row, a, BigInt(imm)));
          close();
        }),
        { numRuns: count(10_000 / fewer), seed: seed(`${name} with a constant`) },
      );
    },
  );
});

/** Section 5.3: what is in memory, in the source register and in r0 afterwards. */
function atomically({ operation, width }: Opcode, old: bigint, source: bigint, r0: bigint) {
  const [x, y] = [u(width, old), u(width, source)];
  const byOperation: Record<string, () => bigint> = {
    add: () => x + y,
    or: () => x | y,
    and: () => x & y,
    xor: () => x ^ y,
    xchg: () => y,
    cmpxchg: () => (u(width, r0) === x ? y : x),
  };
  const name = operation.replace(/^lock_(fetch_)?/, '');
  const written = u(width, byOperation[name]!());
  return {
    memory: (old & ~((1n << BigInt(width)) - 1n)) | written,
    source: operation.startsWith('lock_fetch_') || name === 'xchg' ? x : source,
    r0: name === 'cmpxchg' ? x : r0,
  };
}

describe.each(Object.entries(MACHINES))('atomic operations of the %s', (_, { make, fewer }) => {
  const atomics = OPCODES.filter(({ operation }) => operation.startsWith('lock_'));

  test.each(atomics.map((row) => [row.name, row] as const))('%s', (name, row) => {
    const program = [
      slot(0x79, { dst: 4, src: 1, offset: 8 }),
      slot(0x79, { dst: 0, src: 1, offset: 16 }),
      slot(row.opcode, { dst: 1, src: 4, ...row.fixed }),
      slot(0x7b, { dst: 1, src: 4, offset: 8 }),
      slot(0x7b, { dst: 1, src: 0, offset: 16 }),
      slot(0x95),
    ];
    const made = make({ instructions: program });
    const words = fc.oneof(
      fc.tuple(word, word, word),
      fc.tuple(word, word).map(([old, source]): [bigint, bigint, bigint] => [old, source, old]),
    );
    fc.assert(
      fc.property(words, (values) => {
        for (const [index, value] of values.entries()) memory.view.setBigUint64(context + 8 * index, value, true);
        made.run(memory.address(context));
        const [first, second, third] = [0, 8, 16].map((at) => memory.view.getBigUint64(context + at, true));
        expect({ memory: first, source: second, r0: third }).toEqual(atomically(row, ...values));
      }),
      { numRuns: count(20_000 / fewer), seed: seed(name) },
    );
  });
});

describe.each(Object.entries(MACHINES))('loads and stores of the %s', (_, { make, fewer }) => {
  const rowsOf = (pattern: RegExp) => OPCODES.filter(({ operation }) => pattern.test(operation));

  test.each(rowsOf(/^ldxs?$/).map((row) => [row.name, row] as const))('%s', (name, row) => {
    const program = [slot(row.opcode, { dst: 0, src: 1, offset: 3 }), slot(0x95)];
    const made = make({ instructions: program });
    fc.assert(
      fc.property(word, (value) => {
        memory.view.setBigUint64(context + 3, value, true);
        const loaded = row.operation === 'ldxs' ? u(64, s(row.width, value)) : u(row.width, value);
        expect(made.run(memory.address(context))).toBe(loaded);
      }),
      { numRuns: count(20_000 / fewer), seed: seed(name) },
    );
  });

  test.each(rowsOf(/^stx?$/).map((row) => [row.name, row] as const))('%s', (name, row) => {
    fc.assert(
      fc.property(word, immediate, (before, imm) => {
        const load = slot(0xb7, { dst: 4, imm });
        const store = slot(
          row.opcode,
          row.source === 'reg' ? { dst: 1, src: 4, offset: 5 } : { dst: 1, offset: 5, imm },
        );
        const made = make({ instructions: [load, store, slot(0x95)] });
        memory.view.setBigUint64(context + 5, before, true);
        made.run(memory.address(context));
        made.close();
        const mask = (1n << BigInt(row.width)) - 1n;
        expect(memory.view.getBigUint64(context + 5, true)).toBe((before & ~mask) | (BigInt(imm) & mask));
      }),
      { numRuns: count(10_000 / fewer), seed: seed(name) },
    );
  });
});
