import type { Instruction } from './instruction.ts';

/**
 * The opcode byte of arithmetic and jumps (RFC 9669, section 4) and of loads and stores (section 5).
 *
 *     bit    7  6  5  4  3  2  1  0
 *          |  operation  | s| class  |   s: 0 the second operand is imm, 1 it is the src register
 *          |  mode  | size  | class  |   size: 0 w, 1 h, 2 b, 3 dw
 */
export const CLASSES = { ld: 0, ldx: 1, st: 2, stx: 3, alu: 4, jmp: 5, jmp32: 6, alu64: 7 } as const;
export type InstructionClass = keyof typeof CLASSES;

/** RFC 9669, section 2.4; `callx` is bpf_conformance's; `linux` are forms that only Linux has. */
export type ConformanceGroup =
  | 'base32'
  | 'base64'
  | 'atomic32'
  | 'atomic64'
  | 'divmul32'
  | 'divmul64'
  | 'packet'
  | 'callx'
  | 'linux';

/** Sizes of a memory access: 1, 2, 4 and 8 bytes. */
export type Size = 'b' | 'h' | 'w' | 'dw';

/** One form of an instruction. A form is told from others by its opcode and by the fields that are `fixed`. */
export interface Opcode {
  /** Operation and width: `add`, `add32`, `ldxw`, `lock_fetch_add32`. Name and source together are unique. */
  readonly name: string;
  readonly class: InstructionClass;
  /** Without width: `add`, `jsgt`, `ldx`, `lock_fetch_add`. */
  readonly operation: string;
  /** What the second operand, or the value that is stored, comes from. */
  readonly source: 'imm' | 'reg' | 'none';
  /** Bits that are computed, compared, loaded or stored. */
  readonly width: 8 | 16 | 32 | 64;
  readonly opcode: number;
  readonly fixed: Readonly<Partial<Omit<Instruction, 'opcode'>>>;
  /** The kernel's notation; the fields in braces are those that the form uses, all others are zero. */
  readonly text: string;
  readonly group: ConformanceGroup;
}

const ALU = {
  add: [0x0, '+='],
  sub: [0x1, '-='],
  mul: [0x2, '*='],
  div: [0x3, '/='],
  or: [0x4, '|='],
  and: [0x5, '&='],
  lsh: [0x6, '<<='],
  rsh: [0x7, '>>='],
  mod: [0x9, '%='],
  xor: [0xa, '^='],
  mov: [0xb, '='],
  arsh: [0xc, 's>>='],
} as const;
/** Division and modulo with sign: offset 1. */
const SIGNED_ALU = { sdiv: [0x3, 's/='], smod: [0x9, 's%='] } as const;

const JUMPS = {
  jeq: [0x1, '=='],
  jgt: [0x2, '>'],
  jge: [0x3, '>='],
  jset: [0x4, '&'],
  jne: [0x5, '!='],
  jsgt: [0x6, 's>'],
  jsge: [0x7, 's>='],
  jlt: [0xa, '<'],
  jle: [0xb, '<='],
  jslt: [0xc, 's<'],
  jsle: [0xd, 's<='],
} as const;

const SIZES = { w: [0, 32], h: [1, 16], b: [2, 8], dw: [3, 64] } as const satisfies Record<Size, readonly number[]>;

/** Modes of loads and stores: bits 5 to 7. */
const MODE = { imm: 0, abs: 1, ind: 2, mem: 3, memsx: 4, atomic: 6 } as const;

/** `imm` of an atomic operation; 1 is added when the old value is fetched. */
const ATOMICS = { add: [0x00, '+='], or: [0x40, '|='], and: [0x50, '&='], xor: [0xa0, '^='] } as const;

const REG = 8;
const groupOf = (operation: string, width: number): ConformanceGroup =>
  /^s?(mul|div|mod)$/.test(operation) ? (width === 64 ? 'divmul64' : 'divmul32') : width === 64 ? 'base64' : 'base32';

const arithmetic = (width: 32 | 64): Opcode[] => {
  const cls: InstructionClass = width === 64 ? 'alu64' : 'alu';
  const byte = (code: number) => (code << 4) | CLASSES[cls];
  const suffix = width === 64 ? '' : '32';
  const [d, s] = width === 64 ? ['{dst}', '{src}'] : ['{wdst}', '{wsrc}'];
  const pair = (operation: string, code: number, sign: string, fixed: Opcode['fixed']): Opcode[] => {
    const common = { name: operation + suffix, class: cls, operation, width, fixed, group: groupOf(operation, width) };
    return [
      { ...common, source: 'imm', opcode: byte(code), text: `${d} ${sign} {imm}` },
      { ...common, source: 'reg', opcode: byte(code) | REG, text: `${d} ${sign} ${s}` },
    ];
  };
  const neg: Opcode = {
    name: `neg${suffix}`,
    class: cls,
    operation: 'neg',
    source: 'none',
    width,
    opcode: byte(0x8),
    fixed: {},
    text: `${d} = -${d}`,
    group: groupOf('neg', width),
  };
  const movsx = (width === 64 ? [8, 16, 32] : [8, 16]).map(
    (bits): Opcode => ({
      name: `movsx${bits}${suffix && '_32'}`,
      class: cls,
      operation: 'movsx',
      source: 'reg',
      width,
      opcode: byte(0xb) | REG,
      fixed: { offset: bits },
      text: `${d} = (s${bits})${s}`,
      group: groupOf('movsx', width),
    }),
  );
  return [
    ...Object.entries(ALU).flatMap(([operation, [code, sign]]) => pair(operation, code, sign, { offset: 0 })),
    ...Object.entries(SIGNED_ALU).flatMap(([operation, [code, sign]]) => pair(operation, code, sign, { offset: 1 })),
    ...movsx,
    neg,
  ];
};

const byteSwaps = (operation: 'le' | 'be' | 'bswap'): Opcode[] =>
  ([16, 32, 64] as const).map((width) => ({
    name: `${operation}${width}`,
    class: operation === 'bswap' ? 'alu64' : 'alu',
    operation,
    source: 'none',
    width,
    opcode: { le: 0xd4, be: 0xdc, bswap: 0xd7 }[operation],
    fixed: { imm: width },
    text: `{dst} = ${operation}${width} {dst}`,
    group: width === 64 ? 'base64' : 'base32',
  }));

const conditionalJumps = (width: 32 | 64): Opcode[] =>
  Object.entries(JUMPS).flatMap(([operation, [code, sign]]): Opcode[] => {
    const cls = width === 64 ? 'jmp' : 'jmp32';
    const opcode = (code << 4) | CLASSES[cls];
    const common = {
      name: operation + (width === 64 ? '' : '32'),
      class: cls,
      operation,
      width,
      fixed: {},
      group: groupOf(operation, width),
    } as const;
    const [d, s] = width === 64 ? ['{dst}', '{src}'] : ['{wdst}', '{wsrc}'];
    return [
      { ...common, source: 'imm', opcode, text: `if ${d} ${sign} {hex} goto {near}` },
      { ...common, source: 'reg', opcode: opcode | REG, text: `if ${d} ${sign} ${s} goto {near}` },
    ];
  });

const otherJump = (
  name: string,
  cls: 'jmp' | 'jmp32',
  code: number,
  source: Opcode['source'],
  fixed: Opcode['fixed'],
  text: string,
): Opcode => ({
  name,
  class: cls,
  operation: name,
  source,
  width: 64,
  opcode: (code << 4) | (name === 'callx' ? REG : 0) | CLASSES[cls],
  fixed,
  text,
  group: 'base32',
});

const memory = (
  operation: 'ldx' | 'ldxs' | 'st' | 'stx',
  cls: 'ldx' | 'st' | 'stx',
  mode: number,
  sizes: readonly Size[],
  source: Opcode['source'],
  text: (type: string) => string,
): Opcode[] =>
  sizes.map((size) => {
    const [code, width] = SIZES[size];
    return {
      name: operation + size,
      class: cls,
      operation,
      source,
      width,
      opcode: (mode << 5) | (code << 3) | CLASSES[cls],
      fixed: {},
      text: text(`${operation === 'ldxs' ? 's' : 'u'}${width}`),
      group: width === 64 || operation === 'ldxs' ? 'base64' : 'base32',
    };
  });

const atomics = (size: 'w' | 'dw'): Opcode[] => {
  const [code, width] = SIZES[size];
  const suffix = width === 64 ? '' : '32';
  const place = `(u${width} *)({dst} {offset})`;
  const call = `atomic${width === 64 ? '64' : ''}`;
  const row = (operation: string, imm: number, text: string): Opcode => ({
    name: operation + suffix,
    class: 'stx',
    operation,
    source: 'reg',
    width,
    opcode: (MODE.atomic << 5) | (code << 3) | CLASSES.stx,
    fixed: { imm },
    text,
    group: width === 64 ? 'atomic64' : 'atomic32',
  });
  return [
    ...Object.entries(ATOMICS).flatMap(([name, [imm, sign]]) => [
      row(`lock_${name}`, imm, `lock *${place} ${sign} {src}`),
      row(`lock_fetch_${name}`, imm | 1, `{src} = ${call}_fetch_${name}(${place}, {src})`),
    ]),
    row('lock_xchg', 0xe1, `{src} = ${call}_xchg(${place}, {src})`),
    row('lock_cmpxchg', 0xf1, `r0 = ${call}_cmpxchg(${place}, r0, {src})`),
  ];
};

/** Section 5.4: what the 64-bit constant stands for is in `src`. */
const wide = (name: string, src: number, text: string): Opcode => ({
  name,
  class: 'ld',
  operation: 'lddw',
  source: 'imm',
  width: 64,
  opcode: 0x18,
  fixed: { src },
  text,
  group: 'base64',
});

const packet = (name: string, mode: number, sizes: readonly Size[], text: (type: string) => string): Opcode[] =>
  sizes.map((size) => ({
    name: name + size,
    class: 'ld',
    operation: name,
    source: name === 'ldind' ? 'reg' : 'imm',
    width: SIZES[size][1],
    opcode: (mode << 5) | (SIZES[size][0] << 3) | CLASSES.ld,
    fixed: {},
    text: text(`u${SIZES[size][1]}`),
    group: 'packet',
  }));

/** What Linux adds to RFC 9669 (include/uapi/linux/bpf.h): BPF_LOAD_ACQ and BPF_STORE_REL as atomic operations. */
const ordered = (operation: 'load_acquire' | 'store_release', imm: number): Opcode[] =>
  (['b', 'h', 'w', 'dw'] as const).map((size) => {
    const [code, width] = SIZES[size];
    const value = width === 64 ? 'r' : 'w';
    const load = `${value === 'r' ? '{dst}' : '{wdst}'} = load_acquire((u${width} *)({src} {offset}))`;
    const store = `store_release((u${width} *)({dst} {offset}), ${value === 'r' ? '{src}' : '{wsrc}'})`;
    return {
      name: operation + size,
      class: 'stx',
      operation,
      source: 'reg',
      width,
      opcode: (MODE.atomic << 5) | (code << 3) | CLASSES.stx,
      fixed: { imm },
      text: operation === 'load_acquire' ? load : store,
      group: 'linux',
    };
  });

/**
 * Every instruction of RFC 9669, `callx` as the conformance suite and LLVM know it, and of Linux's own `may_goto`, `load_acquire` and
 * `store_release`. Linux's address space casts and per-CPU addresses are left out: only arena programs and the kernel's own rewriting have them.
 */
export const OPCODES: readonly Opcode[] = [
  ...arithmetic(64),
  ...arithmetic(32),
  ...byteSwaps('le'),
  ...byteSwaps('be'),
  ...byteSwaps('bswap'),
  ...conditionalJumps(64),
  ...conditionalJumps(32),
  otherJump('ja', 'jmp', 0x0, 'none', {}, 'goto {near}'),
  otherJump('ja32', 'jmp32', 0x0, 'none', {}, 'gotol {far}'),
  otherJump('call', 'jmp', 0x8, 'imm', { src: 0 }, 'call {helper}'),
  otherJump('call_local', 'jmp', 0x8, 'imm', { src: 1 }, 'call {far}'),
  otherJump('call_btf', 'jmp', 0x8, 'imm', { src: 2 }, 'call kernel-function#{imm}'),
  { ...otherJump('callx', 'jmp', 0x8, 'reg', {}, 'callx {dst}'), group: 'callx' },
  otherJump('exit', 'jmp', 0x9, 'none', {}, 'exit'),
  { ...otherJump('may_goto', 'jmp', 0xe, 'none', { src: 0 }, 'may_goto {near}'), group: 'linux' },
  ...memory('ldx', 'ldx', MODE.mem, ['b', 'h', 'w', 'dw'], 'reg', (type) => `{dst} = *(${type} *)({src} {offset})`),
  ...memory('ldxs', 'ldx', MODE.memsx, ['b', 'h', 'w'], 'reg', (type) => `{dst} = *(${type} *)({src} {offset})`),
  ...memory('st', 'st', MODE.mem, ['b', 'h', 'w', 'dw'], 'imm', (type) => `*(${type} *)({dst} {offset}) = {imm}`),
  ...memory('stx', 'stx', MODE.mem, ['b', 'h', 'w', 'dw'], 'reg', (type) => `*(${type} *)({dst} {offset}) = {src}`),
  ...atomics('dw'),
  ...atomics('w'),
  ...ordered('load_acquire', 0x100),
  ...ordered('store_release', 0x110),
  wide('lddw', 0, '{dst} = {imm64} ll'),
  wide('lddw_map', 1, '{dst} = {map}'),
  wide('lddw_map_value', 2, '{dst} = {map_value}'),
  wide('lddw_variable', 3, '{dst} = variable[{imm}]'),
  wide('lddw_code', 4, '{dst} = subprog[{far}]'),
  wide('lddw_map_index', 5, '{dst} = map[idx:{imm}]'),
  wide('lddw_map_index_value', 6, '{dst} = map[idx:{imm}]+{next}'),
  ...packet('ldabs', MODE.abs, ['b', 'h', 'w'], (type) => `r0 = *(${type} *)skb[{imm}]`),
  ...packet('ldind', MODE.ind, ['b', 'h', 'w'], (type) => `r0 = *(${type} *)skb[{src} + {imm}]`),
];

/** The opcode of a wide instruction, which takes two slots. */
export const LDDW = 0x18;

const BY_OPCODE: readonly (readonly Opcode[])[] = Array.from({ length: 256 }, (_, opcode) =>
  OPCODES.filter((row) => row.opcode === opcode),
);

/** The row an instruction is an instance of, undefined where RFC 9669 has none. Fields that the row does not use are not looked at. */
export function opcodeOf(instruction: Instruction): Opcode | undefined {
  return BY_OPCODE[instruction.opcode]?.find(
    ({ fixed }) =>
      (fixed.src === undefined || fixed.src === instruction.src) &&
      (fixed.offset === undefined || fixed.offset === instruction.offset) &&
      (fixed.imm === undefined || fixed.imm === instruction.imm),
  );
}

const BY_NAME = new Map(OPCODES.map((row) => [`${row.name}/${row.source}`, row]));

/** The row by its name and source. @throws RangeError where there is none */
export function opcodeNamed(name: string, source: Opcode['source']): Opcode {
  const row = BY_NAME.get(`${name}/${source}`);
  if (!row) throw new RangeError(`RFC 9669 has no instruction '${name}' with source ${source}`);
  return row;
}

/** Fields of an instruction, and `next`: the imm of a wide instruction's second slot. */
export type Field = 'dst' | 'src' | 'offset' | 'imm' | 'next';

const USED = new Map(OPCODES.map((row) => [row, usedFields(row)]));

/** The fields of an instruction that a row uses beside those it fixes. */
export const fieldsOf = (row: Opcode): ReadonlySet<Field> => USED.get(row) ?? usedFields(row);

function usedFields(row: Opcode): ReadonlySet<Field> {
  const fields = new Set<Field>();
  for (const [, name] of row.text.matchAll(/\{(\w+)\}/g)) {
    if (name === 'dst' || name === 'wdst') fields.add('dst');
    else if (name === 'src' || name === 'wsrc') fields.add('src');
    else if (name === 'offset' || name === 'near') fields.add('offset');
    else if (name === 'next') fields.add('next');
    else fields.add('imm');
    if (name === 'imm64' || name === 'map_value') fields.add('next');
  }
  return fields;
}
