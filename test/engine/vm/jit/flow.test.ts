import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  add,
  assemble,
  exit,
  type Instruction,
  type Item,
  ja,
  jeq,
  jgt,
  jlt,
  jne,
  label,
  ldx,
  mov,
  mul,
  R0,
  R1,
  R2,
  R3,
  R6,
  sub,
  xor,
} from '../../../../engine/isa/index.ts';
import { createJit, type Jit, KERNEL_BASE } from '../../../../engine/vm/index.ts';
import { runBoth } from '../../../support/both-machines.ts';
import { count, seed } from '../../../support/counts.ts';
import { testEnvironment } from '../../../support/environment.ts';

const slot = (opcode: number, fields: Partial<Instruction> = {}): Instruction => ({
  ...{ opcode, dst: 0, src: 0, offset: 0, imm: 0 },
  ...fields,
});
const bothGive = (items: readonly Item[], r0: bigint): void => {
  const { interpreter, jit } = runBoth(assemble(items));
  expect(interpreter.ending).toBe(r0);
  expect(jit.ending).toBe(r0);
};

/** Sums 1 to 10 in r0 by a loop that is entered at its middle in one of two ways. */
const twoEntries = (first: number): readonly Item[] => [
  mov(R0, 0),
  mov(R1, 10),
  mov(R2, first),
  jeq(R2, 0, 'second half'),
  label('first half'),
  add(R0, R1),
  label('second half'),
  sub(R1, 1),
  jne(R1, 0, 'first half'),
  exit(),
];

describe('control flow', () => {
  test('a loop that is entered at two places', () => {
    bothGive(twoEntries(1), 55n);
    bothGive(twoEntries(0), 45n);
  });

  test('two such loops, one in the other', () => {
    bothGive(
      [
        mov(R0, 0),
        mov(R1, 3),
        mov(R2, 0),
        ja('inner middle'),
        label('outer'),
        mov(R2, 4),
        label('inner'),
        add(R0, 1),
        label('inner middle'),
        sub(R2, 1),
        jgt(R2, 100, 'outer middle'),
        jne(R2, 0, 'inner'),
        label('outer middle'),
        add(R0, 100),
        sub(R1, 1),
        jne(R1, 0, 'outer'),
        exit(),
      ],
      // The first round finds r2 = 0 - 1, which is more than 100; two rounds more add 4 each.
      308n,
    );
  });

  test('a loop whose condition stands at its end, entered by a jump there', () => {
    bothGive(
      [
        mov(R0, 1),
        mov(R1, 0),
        ja('test'),
        label('body'),
        mul(R0, 3),
        add(R1, 1),
        label('test'),
        jlt(R1, 5, 'body'),
        exit(),
      ],
      243n,
    );
  });

  test('a loop to the first instruction, and one of a single block', () => {
    bothGive([label('start'), add(R0, 1), jlt(R0, 7, 'start'), exit()], 7n);
    bothGive([mov(R0, 0), label('start'), add(R0, 3), jlt(R0, 7, 'start'), exit()], 9n);
  });

  test('loops nested 40 deep', () => {
    const depth = 40;
    const items: Item[] = [mov(R0, 0), mov(R6, 0)];
    for (let n = 0; n < depth; n++) items.push(label(`loop ${n}`));
    items.push(add(R0, 1));
    for (let n = depth - 1; n >= 0; n--) items.push(add(R6, 1), mov(R3, R6), xor(R3, 5 * n), jeq(R3, 5, `loop ${n}`));
    items.push(exit());
    const { interpreter, jit } = runBoth(assemble(items));
    expect(jit.ending).toEqual(interpreter.ending);
  });

  test('5,000 jumps forward to one place, and 5,000 to as many', () => {
    const jumps = Array.from({ length: 5000 }, (_, n) => [jeq(R0, n + 1, 'out'), add(R1, 1)]).flat();
    bothGive([mov(R0, 0), mov(R1, 0), ...jumps, label('out'), mov(R0, R1), exit()], 5000n);
    const nested = Array.from({ length: 5000 }, (_, n) => jeq(R0, n + 1, `out ${n}`));
    const outs = Array.from({ length: 5000 }, (_, n) => [label(`out ${n}`), add(R1, 1)]).flat();
    bothGive([mov(R0, 0), mov(R1, 0), ...nested, ...outs, mov(R0, R1), exit()], 5000n);
    bothGive([mov(R0, 4000), mov(R1, 0), ...nested, ...outs, mov(R0, R1), exit()], 1001n);
  });

  test('100,000 instructions without a jump', () => {
    bothGive([mov(R0, 0), ...Array.from({ length: 100_000 }, () => add(R0, 1)), exit()], 100_000n);
  });

  test('both ways of a jump lead to one place', () => {
    bothGive([mov(R0, 2), jeq(R0, 2, 'on'), label('on'), add(R0, 1), exit()], 3n);
  });

  test('running out of the instructions, and into what is none', () => {
    const outside = 'the program runs or jumps out of its instructions';
    const none = 'there is no instruction of this machine';
    const cases: [Instruction[], number, string][] = [
      [[slot(0xb7)], 1, outside],
      [[slot(0x05, { offset: 100 })], 1, outside],
      [[slot(0xb7), slot(0x15, { offset: -7 })], 2, outside],
      [[slot(0x05, { offset: 1 }), slot(0x18), slot(0)], 2, none],
      [[slot(0xff), slot(0x95)], 0, none],
      [[slot(0x85, { src: 1, imm: 9 }), slot(0x95)], 2, outside],
    ];
    for (const [instructions, at, reason] of cases) {
      const { interpreter, jit } = runBoth({ instructions });
      expect(jit.ending).toEqual({ at, reason });
      expect(interpreter.ending).toEqual(jit.ending);
    }
  });
});

/** Programs whose jumps go anywhere: most loops have several entries, and many runs only end with their budget. */
const REGISTERS = [0, 2, 3, 4, 5, 6, 7, 8, 9];
const CONDITIONS = [0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0xa, 0xb, 0xc, 0xd];
const anywhere = (size: number): fc.Arbitrary<Instruction> => {
  const register = fc.constantFrom(...REGISTERS);
  const imm = fc.integer({ min: -3, max: 40 });
  const compute = fc
    .tuple(
      fc.constantFrom(0x0, 0x1, 0x2, 0x4, 0x5, 0x6, 0x7, 0xa, 0xb, 0xc),
      fc.constantFrom(4, 7),
      register,
      register,
      imm,
      fc.boolean(),
    )
    .map(([operation, group, dst, src, value, isRegister]) =>
      slot((operation << 4) | group | (isRegister ? 8 : 0), isRegister ? { dst, src } : { dst, imm: value }),
    );
  const memory = fc
    .tuple(fc.constantFrom(0x61, 0x69, 0x71, 0x79, 0x7b, 0x63, 0x73), register, fc.integer({ min: 0, max: 56 }))
    .map(([opcode, other, offset]) =>
      slot(opcode, (opcode & 7) === 1 ? { dst: other, src: 1, offset } : { dst: 1, src: other, offset }),
    );
  const jump = fc
    .tuple(fc.constantFrom(...CONDITIONS), fc.constantFrom(5, 6), register, imm, fc.integer({ min: -size, max: size }))
    .map(([operation, group, dst, value, offset]) => slot((operation << 4) | group, { dst, imm: value, offset }));
  const always = fc.integer({ min: -size, max: size }).map((offset) => slot(0x05, { offset }));
  return fc.oneof(
    { arbitrary: compute, weight: 6 },
    { arbitrary: memory, weight: 2 },
    { arbitrary: jump, weight: 5 },
    { arbitrary: always, weight: 1 },
    { arbitrary: fc.constant(slot(0x95)), weight: 1 },
  );
};

describe('programs whose jumps go anywhere', () => {
  const programs = fc
    .integer({ min: 2, max: 40 })
    .chain((size) => fc.array(anywhere(size), { minLength: size, maxLength: size }));

  test('end as in the interpreter, with the same result, fault and budget', () => {
    const ends = { exits: 0, faults: 0, budgets: 0 };
    fc.assert(
      fc.property(programs, (body) => {
        const instructions = [...body, slot(0x95)];
        const { interpreter, jit } = runBoth({ instructions }, new Uint8Array(64).fill(3), { maxInstructions: 1000 });
        expect(jit.ending).toEqual(interpreter.ending);
        if (typeof jit.ending === 'bigint') {
          expect(jit.context).toEqual(interpreter.context);
          ends.exits++;
        } else if (jit.ending.reason.startsWith('the run was stopped')) ends.budgets++;
        else ends.faults++;
      }),
      { numRuns: count(20_000), seed: seed('jumps anywhere') },
    );
    expect(Math.min(ends.exits, ends.faults, ends.budgets)).toBeGreaterThan(0);
  });
});

test('a batch of them is as many runs, registers and branch tables as at first', () => {
  const programs = fc
    .integer({ min: 2, max: 30 })
    .chain((size) => fc.array(anywhere(size), { minLength: size, maxLength: size }));
  let compared = 0;
  fc.assert(
    fc.property(programs, (body) => {
      const outcome = (run: (jit: Jit, context: number, results: number, view: DataView) => void): unknown => {
        const environment = testEnvironment();
        const { memory } = environment;
        const context = memory.allocate(64);
        const results = memory.allocate(24);
        memory.bytes.fill(3, context, context + 64);
        const jit = createJit({ instructions: [...body, slot(0x95)] }, environment, { maxInstructions: 300 });
        try {
          run(jit, context, results, memory.view);
        } catch (error) {
          return String(error);
        }
        compared++;
        return memory.bytes.slice(context, results + 24);
      };
      const batch = outcome((jit, context, results) => jit.runBatch(context, 0, 3, results));
      const single = outcome((jit, context, results) => {
        for (let n = 0; n < 3; n++) jit.runBatch(context, 0, 1, results + 8 * n);
      });
      expect(batch).toEqual(single);
      const whole = outcome((jit, context, results, view) => {
        for (let n = 0; n < 3; n++) view.setBigUint64(results + 8 * n, jit.run(KERNEL_BASE | BigInt(context)), true);
      });
      expect(batch).toEqual(whole);
    }),
    { numRuns: count(2000), seed: seed('batches') },
  );
  expect(compared).toBeGreaterThan(0);
});

test('a module is of a size in proportion to the program', () => {
  const program = assemble([mov(R0, 0), ...Array.from({ length: 4000 }, () => ldx('dw', R3, R1, 8)), exit()]);
  expect(createJit(program, testEnvironment(), { checked: false }).size).toBeLessThan(4000 * 24);
});
