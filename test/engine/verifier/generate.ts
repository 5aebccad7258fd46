import fc from 'fast-check';
import type { Item, Register, Size } from '../../../engine/isa/index.ts';
import * as isa from '../../../engine/isa/index.ts';

const { R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 } = isa;

/** Bytes of the value that r6 points to, and of the values of the hash map. */
export const CELL_BYTES = 64;
export const TABLE_BYTES = 16;
const LOOKUP = 1;
const RANDOM = 7;
const PROBE_READ_KERNEL = 113;

type Binary = (dst: Register, src: Register | number) => Item;
/** Operations with their 32-bit twins. */
const ALU = {
  add: [isa.add, isa.add32],
  sub: [isa.sub, isa.sub32],
  mul: [isa.mul, isa.mul32],
  div: [isa.div, isa.div32],
  mod: [isa.mod, isa.mod32],
  or: [isa.or, isa.or32],
  and: [isa.and, isa.and32],
  xor: [isa.xor, isa.xor32],
  lsh: [isa.lsh, isa.lsh32],
  rsh: [isa.rsh, isa.rsh32],
  arsh: [isa.arsh, isa.arsh32],
  mov: [isa.mov, isa.mov32],
  sdiv: [isa.sdiv, isa.sdiv32],
  smod: [isa.smod, isa.smod32],
} satisfies Record<string, readonly [Binary, Binary]>;

type Jump = (dst: Register, src: Register | number, label: string) => Item;
const CONDITIONS = {
  jeq: [isa.jeq, isa.jeq32],
  jne: [isa.jne, isa.jne32],
  jgt: [isa.jgt, isa.jgt32],
  jge: [isa.jge, isa.jge32],
  jlt: [isa.jlt, isa.jlt32],
  jle: [isa.jle, isa.jle32],
  jsgt: [isa.jsgt, isa.jsgt32],
  jsge: [isa.jsge, isa.jsge32],
  jslt: [isa.jslt, isa.jslt32],
  jsle: [isa.jsle, isa.jsle32],
  jset: [isa.jset, isa.jset32],
} satisfies Record<string, readonly [Jump, Jump]>;

const UNARY = {
  neg: isa.neg,
  neg32: isa.neg32,
  bswap: (dst: Register) => isa.bswap(dst, 16),
  be: (dst: Register) => isa.be(dst, 32),
  le: (dst: Register) => isa.le(dst, 16),
};

type Names<T> = keyof T & string;
const names = <T extends object>(table: T): Names<T>[] => Object.keys(table) as Names<T>[];

/** Registers that the statements compute with; r5 is scratch, r6 the cell, r8 and r9 count rounds, r10 is the stack. */
const NUMBERS: readonly Register[] = [R0, R1, R2, R3, R4, R7];

type Operand = Register | number;

/** A piece of a program; the generator makes lists of them, which fast-check can shrink. */
export type Statement =
  | { kind: 'alu'; op: Names<typeof ALU>; wide: boolean; dst: Register; src: Operand }
  | { kind: 'unary'; op: Names<typeof UNARY>; dst: Register }
  | { kind: 'extend'; size: 'b' | 'h' | 'w'; dst: Register; src: Register }
  | { kind: 'load'; dst: Register; size: Size; offset: number; signed: boolean }
  | { kind: 'stack'; write: boolean; register: Register; size: Size; offset: number }
  | { kind: 'guarded'; register: Register; guard: Guard; base: 'cell' | 'stack'; use: Use; size: Size; offset: number }
  | { kind: 'if'; condition: Condition; body: Statement[]; other: Statement[] }
  | { kind: 'loop'; times: number; bound: Register | undefined; body: Statement[] }
  | { kind: 'random'; dst: Register }
  | { kind: 'lookup'; key: Register; checked: boolean; size: Size; offset: number; write: boolean }
  | { kind: 'probe'; size: Register; mask: number; offset: number; cell: boolean }
  | { kind: 'call'; argument: Register; body: Statement[] }
  | {
      kind: 'chosen';
      condition: Condition;
      dst: Register;
      values: readonly number[];
      by: Way;
      body: Statement[];
      size: Size;
    }
  | { kind: 'spilled'; register: Register; checked: boolean; offset: number; size: Size };

interface Condition {
  readonly op: Names<typeof CONDITIONS>;
  readonly wide: boolean;
  readonly dst: Register;
  readonly src: Operand;
}
type Guard =
  | { readonly kind: 'mask'; readonly mask: number }
  | { readonly kind: 'unsigned'; readonly limit: number; readonly wide: boolean }
  | { readonly kind: 'signed'; readonly least: number; readonly limit: number }
  | { readonly kind: 'copy'; readonly limit: number }
  | { readonly kind: 'modulo'; readonly limit: number }
  | { readonly kind: 'none' };
/** Where a number waits between the choice and its use. */
type Way = 'register' | 'stack' | 'function';
type Use = 'load' | 'store' | 'atomic' | 'subtract';

const number = fc.constantFrom(...NUMBERS);
const size = fc.constantFrom<Size>('b', 'h', 'w', 'dw');
const immediate = fc.oneof(
  fc.integer({ min: -4, max: 70 }),
  fc.constantFrom(0x7fff_ffff, -0x8000_0000, 0xff, 0xffff, 0x7fff, -256, 63, 31, 32),
);
const operand = fc.oneof(number, immediate);
const condition: fc.Arbitrary<Condition> = fc.record({
  op: fc.constantFrom(...names(CONDITIONS)),
  wide: fc.boolean(),
  dst: number,
  src: operand,
});
const limit = fc.integer({ min: 0, max: 70 });
const guard: fc.Arbitrary<Guard> = fc.oneof(
  fc.record({ kind: fc.constant('mask' as const), mask: fc.constantFrom(7, 15, 31, 56, 60, 63, 127) }),
  fc.record({ kind: fc.constant('unsigned' as const), limit, wide: fc.boolean() }),
  fc.record({ kind: fc.constant('signed' as const), least: fc.integer({ min: -2, max: 4 }), limit }),
  fc.record({ kind: fc.constant('copy' as const), limit }),
  fc.record({ kind: fc.constant('modulo' as const), limit }),
  fc.record({ kind: fc.constant('none' as const) }),
);

const statementOf = fc.letrec<{ statement: Statement; body: Statement[] }>((tie) => ({
  body: fc.array(tie('statement'), { maxLength: 5, depthIdentifier: 'nesting' }),
  statement: fc.oneof(
    { maxDepth: 2, depthIdentifier: 'nesting', withCrossShrink: true },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('alu' as const),
        op: fc.constantFrom(...names(ALU)),
        wide: fc.boolean(),
        dst: number,
        src: operand,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('unary' as const),
        op: fc.constantFrom(...names(UNARY)),
        dst: number,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('extend' as const),
        size: fc.constantFrom('b', 'h', 'w'),
        dst: number,
        src: number,
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('load' as const),
        dst: number,
        size,
        offset: fc.integer({ min: 0, max: 56 }),
        signed: fc.boolean(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('stack' as const),
        write: fc.boolean(),
        register: number,
        size,
        offset: fc.integer({ min: -40, max: -1 }),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('guarded' as const),
        register: number,
        guard,
        base: fc.constantFrom('cell', 'cell', 'stack'),
        use: fc.constantFrom('load', 'load', 'store', 'atomic', 'subtract'),
        size,
        offset: fc.integer({ min: -2, max: 32 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('if' as const),
        condition,
        body: tie('body'),
        other: tie('body'),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('loop' as const),
        times: fc.integer({ min: 1, max: 12 }),
        bound: fc.option(number, { nil: undefined, freq: 3 }),
        body: tie('body'),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('random' as const), dst: number }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('lookup' as const),
        key: number,
        checked: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
        size,
        offset: fc.integer({ min: 0, max: TABLE_BYTES }),
        write: fc.boolean(),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('probe' as const),
        size: number,
        mask: fc.constantFrom(3, 7, 15, 31, 0xffff),
        offset: fc.integer({ min: 8, max: 40 }),
        cell: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('call' as const), argument: number, body: tie('body') }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('chosen' as const),
        condition,
        dst: number,
        values: fc.tuple(fc.integer({ min: 0, max: 64 }), fc.integer({ min: 0, max: 64 })),
        by: fc.constantFrom<Way>('register', 'stack', 'function'),
        body: tie('body'),
        size,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('spilled' as const),
        register: number,
        checked: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
        offset: fc.integer({ min: 0, max: TABLE_BYTES - 1 }),
        size,
      }),
    },
  ) as fc.Arbitrary<Statement>,
}));

export const statements: fc.Arbitrary<Statement[]> = fc.array(statementOf.statement, { minLength: 1, maxLength: 14 });

const BYTES: Readonly<Record<Size, number>> = { b: 1, h: 2, w: 4, dw: 8 };

/** A program: fills registers and stack from its context, does what the statements say, and leaves what it knows in the cell. */
export function render(list: readonly Statement[]): Item[] {
  let labels = 0;
  const fresh = (): string => `l${labels++}`;
  const functions: Item[] = [];
  let depth = 0;

  const refill = (except?: Register): Item[] =>
    [R0, R1, R2, R3, R4]
      .filter((r) => r !== except)
      .map((r, n) => isa.ldx((['b', 'h', 'w', 'dw', 'b'] as const)[n]!, r, R6, 8 * n));

  const bound = (register: Register, by: Guard, out: string): Item[] => {
    switch (by.kind) {
      case 'mask':
        return [isa.and(register, by.mask)];
      case 'unsigned':
        return by.wide
          ? [isa.jgt(register, by.limit, out)]
          : [isa.mov32(register, register), isa.jgt32(register, by.limit, out)];
      case 'signed':
        return [isa.jsgt(register, by.limit, out), isa.jslt(register, by.least, out)];
      case 'copy':
        return [isa.mov(R5, register), isa.jge(R5, by.limit, out)];
      case 'modulo':
        return [isa.mod(register, by.limit + 1)];
      case 'none':
        return [];
    }
  };

  const guarded = (s: Statement & { kind: 'guarded' }): Item[] => {
    const out = fresh();
    const align = s.use === 'atomic' || s.base === 'stack' ? BYTES[s.size] : 1;
    const offset = Math.floor(s.offset / align) * align;
    const from = s.base === 'cell' ? R6 : R10;
    const shift = s.base === 'cell' ? offset : offset - 32 - (32 % align);
    const wide = s.size === 'w' ? 'w' : 'dw';
    return [
      ...bound(s.register, s.guard, out),
      ...(align > 1 ? [isa.and(s.register, -align)] : []),
      isa.mov(R5, from),
      ...(s.use === 'subtract' ? [isa.add(R5, 24), isa.sub(R5, s.register)] : [isa.add(R5, s.register)]),
      ...(s.use === 'store'
        ? [isa.stx(s.size, R5, shift, s.register)]
        : s.use === 'atomic'
          ? [isa.atomicFetchAdd(wide, R5, shift, R7)]
          : [isa.ldx(s.size, s.register, R5, shift)]),
      isa.label(out),
    ];
  };

  const table = (key: Register): Item[] => [
    isa.and(key, 3),
    isa.stx('w', R10, -44, key),
    isa.loadMap(R1, 'table'),
    isa.mov(R2, R10),
    isa.add(R2, -44),
    isa.call(LOOKUP),
  ];

  const one = (s: Statement): Item[] => {
    switch (s.kind) {
      case 'alu': {
        const width = s.wide ? 64 : 32;
        let src = s.src;
        if (typeof src === 'number' && /sh$/.test(s.op)) src &= width - 1;
        if (src === 0 && /div|mod/.test(s.op)) src = 3;
        return [ALU[s.op][s.wide ? 0 : 1](s.dst, src)];
      }
      case 'unary':
        return [UNARY[s.op](s.dst)];
      case 'extend':
        return [isa.movsx(s.size, s.dst, s.src)];
      case 'load':
        return [
          s.signed && s.size !== 'dw' ? isa.ldxsx(s.size, s.dst, R6, s.offset) : isa.ldx(s.size, s.dst, R6, s.offset),
        ];
      case 'stack': {
        const offset = Math.floor(s.offset / BYTES[s.size]) * BYTES[s.size];
        return [s.write ? isa.stx(s.size, R10, offset, s.register) : isa.ldx(s.size, s.register, R10, offset)];
      }
      case 'guarded':
        return guarded(s);
      case 'if': {
        const [then, end] = [fresh(), fresh()];
        const jump = CONDITIONS[s.condition.op][s.condition.wide ? 0 : 1];
        return [
          jump(s.condition.dst, s.condition.src, then),
          ...s.other.flatMap(one),
          isa.ja(end),
          isa.label(then),
          ...s.body.flatMap(one),
          isa.label(end),
        ];
      }
      case 'loop': {
        const [head, out] = [fresh(), fresh()];
        const counter = depth === 0 ? R9 : R8;
        depth++;
        const body = s.body.flatMap(one);
        depth--;
        return [
          isa.mov(counter, 0),
          isa.label(head),
          ...(s.bound ? [isa.jge(counter, s.bound, out)] : []),
          ...body,
          isa.add(counter, 1),
          isa.jlt(counter, s.times, head),
          isa.label(out),
        ];
      }
      case 'random':
        return [isa.call(RANDOM), ...(s.dst === R0 ? [] : [isa.mov(s.dst, R0)]), ...refill(s.dst)];
      case 'lookup': {
        const out = fresh();
        return [
          ...table(s.key),
          ...(s.checked ? [isa.jeq(R0, 0, out)] : []),
          s.write ? isa.stx(s.size, R0, s.offset, R7) : isa.ldx(s.size, R7, R0, s.offset),
          isa.label(out),
          ...refill(),
        ];
      }
      case 'spilled': {
        const out = fresh();
        return [
          ...table(s.register),
          isa.stx('dw', R10, -56, R0),
          isa.mov(R5, R0),
          ...(s.checked ? [isa.jeq(R5, 0, out)] : []),
          isa.ldx('dw', R4, R10, -56),
          isa.ldx(s.size, R7, R4, s.offset),
          isa.label(out),
          ...refill(),
        ];
      }
      case 'probe':
        return [
          isa.and(s.size, s.mask),
          ...(s.size === R2 ? [] : [isa.mov(R2, s.size)]),
          isa.mov(R1, s.cell ? R6 : R10),
          isa.add(R1, s.cell ? s.offset : -s.offset),
          isa.mov(R3, 0),
          isa.call(PROBE_READ_KERNEL),
          ...refill(),
        ];
      case 'chosen': {
        const [then, end] = [fresh(), fresh()];
        const jump = CONDITIONS[s.condition.op][s.condition.wide ? 0 : 1];
        const choice = (...kept: Item[]): Item[] => [
          isa.mov(s.dst, s.values[0]!),
          jump(R7, typeof s.condition.src === 'number' ? s.condition.src : 7, then),
          isa.mov(s.dst, s.values[1]!),
          isa.label(then),
          ...kept,
          isa.mov(R5, 0),
          ...[1, 2, 3, 4, 5, 6, 7].map((n) => isa.add(R5, n)),
          isa.jeq(R5, 1, end),
          isa.label(end),
        ];
        const use = [isa.mov(R5, R6), isa.add(R5, s.dst), isa.ldx(s.size, R5, R5, 0)];
        if (s.by === 'register') return [...choice(), ...use, ...s.body.flatMap(one)];
        if (s.by === 'stack') {
          return [
            ...choice(isa.stx('dw', R10, -24, s.dst), isa.mov(s.dst, 0)),
            ...s.body.flatMap(one),
            isa.ldx('dw', s.dst, R10, -24),
            ...use,
          ];
        }
        const name = fresh();
        const store = isa.stx('dw', R6, 0, s.dst);
        functions.push(
          isa.label(name),
          isa.mov(R6, R1),
          isa.mov(R7, R2),
          ...choice(...(s.size === 'b' ? [store] : [])),
          ...(s.size === 'b' ? [] : [store]),
          isa.mov(R0, 0),
          isa.exit(),
        );
        return [
          isa.mov(R1, R10),
          isa.add(R1, -24),
          isa.mov(R2, R7),
          isa.callLocal(name),
          ...refill(),
          ...s.body.flatMap(one),
          isa.ldx('dw', s.dst, R10, -24),
          ...use,
        ];
      }
      case 'call': {
        const name = fresh();
        const outer = depth;
        depth = 0;
        functions.push(
          isa.label(name),
          isa.mov(R6, R2),
          isa.mov(R7, R1),
          ...[-8, -16, -24, -32].map((offset) => isa.stx('dw', R10, offset, R7)),
          ...refill(),
          ...s.body.filter(({ kind }) => kind !== 'call').flatMap(one),
          isa.mov(R0, R7),
          isa.exit(),
        );
        depth = outer;
        return [
          ...(s.argument === R1 ? [] : [isa.mov(R1, s.argument)]),
          isa.mov(R2, R6),
          isa.callLocal(name),
          isa.mov(R7, R0),
          ...refill(),
        ];
      }
    }
  };

  return [
    isa.ldx('dw', R7, R1, 0),
    isa.ldx('dw', R0, R1, 8),
    isa.loadMapValue(R6, 'cell', 0),
    ...refill(R0),
    ...[-8, -16, -24, -32].map((offset) => isa.stx('dw', R10, offset, R7)),
    ...list.flatMap(one),
    isa.stx('dw', R6, 48, R7),
    isa.stx('w', R6, 56, R0),
    isa.mov(R0, 0),
    isa.exit(),
    ...functions,
  ];
}
