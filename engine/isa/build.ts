import type { LineInfo, Relocation } from '../object/index.ts';
import { BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE, type Instruction, type Register } from './instruction.ts';
import { LDDW, type Opcode, opcodeNamed, type Size } from './opcodes.ts';

type Unplaced<R> = R extends Relocation ? Omit<R, 'at'> : never;

/** What `assemble` takes: made by the functions of this file, one for each instruction. */
export type Item =
  | {
      readonly kind: 'instruction';
      readonly slots: readonly Instruction[];
      readonly relocation?: Unplaced<Relocation>;
      /** A jump's label, and the field that its distance goes into. */
      readonly target?: { readonly label: string; readonly field: 'offset' | 'imm'; readonly name: string };
    }
  | { readonly kind: 'label'; readonly name: string }
  | { readonly kind: 'comment'; readonly text: string };

/** A program as the builder leaves it, ready to become a ProgramSpec. */
export interface Assembly {
  readonly instructions: Instruction[];
  readonly relocations: Relocation[];
  readonly lines: LineInfo[];
}

/** Thrown for programs that can't be built: a label that is missing, defined twice or out of reach, a constant that does not fit. */
export class AssembleError extends Error {
  readonly #outOfReach: boolean;

  constructor(message: string, outOfReach = false) {
    super(message);
    this.name = 'AssembleError';
    this.#outOfReach = outOfReach;
  }

  /** The program is too large for its jumps, or its data for an instruction's offset; a smaller one of the same kind would do. */
  get outOfReach(): boolean {
    return this.#outOfReach;
  }
}

type Operand = Register | number;

const slot = (row: Opcode, fields: Partial<Instruction>): Instruction => ({
  dst: 0,
  src: 0,
  offset: 0,
  imm: 0,
  ...fields,
  ...row.fixed,
  opcode: row.opcode,
});
const item = (row: Opcode, fields: Partial<Instruction>): Item => ({ kind: 'instruction', slots: [slot(row, fields)] });

/** A constant as 32 bits: signed, or unsigned where only 32 bits or fewer of it are used. @throws AssembleError */
function immediate(name: string, value: number, width: number): number {
  const greatest = width < 64 ? 0xffff_ffff : 0x7fff_ffff;
  if (!Number.isInteger(value) || value < -0x8000_0000 || value > greatest) {
    const remedy = width < 64 ? '' : '; load it with lddw';
    throw new AssembleError(
      `${name}: ${value} does not fit the instruction's ${width < 64 ? '' : 'signed '}32 bits${remedy}`,
    );
  }
  return value | 0;
}

const binary = (name: string) => {
  const [imm, reg] = [opcodeNamed(name, 'imm'), opcodeNamed(name, 'reg')];
  return (dst: Register, src: Operand): Item =>
    typeof src === 'number'
      ? item(imm, { dst: dst.register, imm: immediate(name, src, imm.width) })
      : item(reg, { dst: dst.register, src: src.register });
};
const unary = (name: string) => {
  const row = opcodeNamed(name, 'none');
  return (dst: Register): Item => item(row, { dst: dst.register });
};

export const mov = binary('mov');
export const add = binary('add');
export const sub = binary('sub');
export const mul = binary('mul');
/** Unsigned; by zero it is 0. */
export const div = binary('div');
/** Unsigned; by zero it leaves dst as it is. */
export const mod = binary('mod');
export const sdiv = binary('sdiv');
export const smod = binary('smod');
export const or = binary('or');
export const and = binary('and');
export const xor = binary('xor');
export const lsh = binary('lsh');
export const rsh = binary('rsh');
export const arsh = binary('arsh');
export const neg = unary('neg');

/** The twins with 32 compute on the low halves and clear the high half of dst. */
export const mov32 = binary('mov32');
export const add32 = binary('add32');
export const sub32 = binary('sub32');
export const mul32 = binary('mul32');
export const div32 = binary('div32');
export const mod32 = binary('mod32');
export const sdiv32 = binary('sdiv32');
export const smod32 = binary('smod32');
export const or32 = binary('or32');
export const and32 = binary('and32');
export const xor32 = binary('xor32');
export const lsh32 = binary('lsh32');
export const rsh32 = binary('rsh32');
export const arsh32 = binary('arsh32');
export const neg32 = unary('neg32');

const BITS = { b: 8, h: 16, w: 32 } as const;

/** dst = src, its lowest 8, 16 or 32 bits sign-extended to 64. */
export const movsx = (size: 'b' | 'h' | 'w', dst: Register, src: Register): Item =>
  item(opcodeNamed(`movsx${BITS[size]}`, 'reg'), { dst: dst.register, src: src.register });
/** dst = src, its lowest 8 or 16 bits sign-extended to 32, the high half cleared. */
export const movsx32 = (size: 'b' | 'h', dst: Register, src: Register): Item =>
  item(opcodeNamed(`movsx${BITS[size]}_32`, 'reg'), { dst: dst.register, src: src.register });

const swap =
  (name: 'bswap' | 'be' | 'le') =>
  (dst: Register, bits: 16 | 32 | 64): Item =>
    item(opcodeNamed(`${name}${bits}`, 'none'), { dst: dst.register });
/** Reverses the bytes of the lowest `bits` and clears those above. */
export const bswap = swap('bswap');
/** From or to big endian. */
export const be = swap('be');
/** From or to little endian. */
export const le = swap('le');

/** dst = *(src + offset), zero-extended. */
export const ldx = (size: Size, dst: Register, src: Register, offset: number): Item =>
  item(opcodeNamed(`ldx${size}`, 'reg'), {
    dst: dst.register,
    src: src.register,
    offset: distance(`ldx${size}`, offset),
  });
/** dst = *(src + offset), sign-extended to 64 bits. */
export const ldxsx = (size: 'b' | 'h' | 'w', dst: Register, src: Register, offset: number): Item =>
  item(opcodeNamed(`ldxs${size}`, 'reg'), {
    dst: dst.register,
    src: src.register,
    offset: distance(`ldxs${size}`, offset),
  });
/** *(dst + offset) = src. */
export const stx = (size: Size, dst: Register, offset: number, src: Register): Item =>
  item(opcodeNamed(`stx${size}`, 'reg'), {
    dst: dst.register,
    src: src.register,
    offset: distance(`stx${size}`, offset),
  });
/** *(dst + offset) = imm, sign-extended where size is dw. */
export const st = (size: Size, dst: Register, offset: number, imm: number): Item => {
  const row = opcodeNamed(`st${size}`, 'imm');
  return item(row, {
    dst: dst.register,
    offset: distance(row.name, offset),
    imm: immediate(row.name, imm, row.width),
  });
};

function distance(name: string, offset: number): number {
  if ((offset << 16) >> 16 !== offset) {
    throw new AssembleError(
      `${name}: the offset ${offset} does not fit signed 16 bits; add it to the register first`,
      true,
    );
  }
  return offset;
}

const atomic =
  (name: string) =>
  (size: 'w' | 'dw', dst: Register, offset: number, src: Register): Item =>
    item(opcodeNamed(size === 'w' ? `${name}32` : name, 'reg'), {
      dst: dst.register,
      offset: distance(name, offset),
      src: src.register,
    });
export const atomicAdd = atomic('lock_add');
export const atomicOr = atomic('lock_or');
export const atomicAnd = atomic('lock_and');
export const atomicXor = atomic('lock_xor');
/** The fetching ones leave the old value in src. */
export const atomicFetchAdd = atomic('lock_fetch_add');
export const atomicFetchOr = atomic('lock_fetch_or');
export const atomicFetchAnd = atomic('lock_fetch_and');
export const atomicFetchXor = atomic('lock_fetch_xor');
export const atomicXchg = atomic('lock_xchg');
/** Compares with r0, which gets the old value. */
export const atomicCmpxchg = atomic('lock_cmpxchg');

const wide = (dst: Register, src: number, low: number, high: number, relocation?: Unplaced<Relocation>): Item => ({
  kind: 'instruction',
  slots: [
    { opcode: LDDW, dst: dst.register, src, offset: 0, imm: low },
    { opcode: 0, dst: 0, src: 0, offset: 0, imm: high },
  ],
  ...(relocation && { relocation }),
});

/** dst = a constant of 64 bits, signed or unsigned. Takes two slots. */
export const lddw = (dst: Register, value: bigint | number): Item => {
  const wanted = BigInt(value);
  if (BigInt.asIntN(64, wanted) !== wanted && BigInt.asUintN(64, wanted) !== wanted) {
    throw new AssembleError(`lddw: ${wanted} does not fit 64 bits`);
  }
  return wide(dst, 0, Number(BigInt.asIntN(32, wanted)), Number(BigInt.asIntN(32, wanted >> 32n)));
};
/** dst = the map, as helpers take it. */
export const loadMap = (dst: Register, map: string): Item => wide(dst, BPF_PSEUDO_MAP_FD, 0, 0, { kind: 'map', map });
/** dst = the address `offset` bytes into the map's only value. */
export const loadMapValue = (dst: Register, map: string, offset: number): Item =>
  wide(dst, BPF_PSEUDO_MAP_VALUE, 0, offset, { kind: 'map_value', map, offset });

const related = (made: Item, relocation: Unplaced<Relocation>): Item =>
  made.kind === 'instruction' ? { ...made, relocation } : made;

/** dst = the member `access` (`task_struct.real_parent`) of the struct at src. */
export const ldxField = (
  size: Size,
  dst: Register,
  src: Register,
  access: string,
  what: 'offset' | 'offset_or_0' = 'offset',
): Item => related(ldx(size, dst, src, 0), { kind: 'field', access, what });
/** dst += the offset of a member, so that dst becomes its address. */
export const addField = (dst: Register, access: string): Item =>
  related(add(dst, 0), { kind: 'field', access, what: 'offset' });
/** dst = a member's offset (or 0 where there is none) or size in bytes, or whether it exists (1 or 0). */
export const movField = (dst: Register, access: string, what: 'offset' | 'offset_or_0' | 'exists' | 'size'): Item =>
  related(mov(dst, 0), { kind: 'field', access, what });

const conditional = (name: string) => {
  const make = binary(name);
  return (dst: Register, src: Operand, label: string): Item => {
    const made = make(dst, src);
    return made.kind === 'instruction' ? { ...made, target: { label, field: 'offset', name } } : made;
  };
};
export const jeq = conditional('jeq');
export const jne = conditional('jne');
export const jgt = conditional('jgt');
export const jge = conditional('jge');
export const jlt = conditional('jlt');
export const jle = conditional('jle');
/** Jumps when dst & src is not 0. */
export const jset = conditional('jset');
export const jsgt = conditional('jsgt');
export const jsge = conditional('jsge');
export const jslt = conditional('jslt');
export const jsle = conditional('jsle');
export const jeq32 = conditional('jeq32');
export const jne32 = conditional('jne32');
export const jgt32 = conditional('jgt32');
export const jge32 = conditional('jge32');
export const jlt32 = conditional('jlt32');
export const jle32 = conditional('jle32');
export const jset32 = conditional('jset32');
export const jsgt32 = conditional('jsgt32');
export const jsge32 = conditional('jsge32');
export const jslt32 = conditional('jslt32');
export const jsle32 = conditional('jsle32');

const jump = (row: Opcode, name: string, field: 'offset' | 'imm', label: string): Item => ({
  kind: 'instruction',
  slots: [slot(row, {})],
  target: { label, field, name },
});
export const ja = (label: string): Item => jump(opcodeNamed('ja', 'none'), 'ja', 'offset', label);
/** The long jump, `gotol`: any distance. */
export const jal = (label: string): Item => jump(opcodeNamed('ja32', 'none'), 'jal', 'imm', label);
/** Goes on, or to the label once the loop has had its rounds: Linux ends such a loop after 8 million (since 6.9). */
export const mayGoto = (label: string): Item => jump(opcodeNamed('may_goto', 'none'), 'mayGoto', 'offset', label);
/** Calls the helper with this id (include/uapi/linux/bpf.h). */
export const call = (id: number): Item => item(opcodeNamed('call', 'imm'), { imm: immediate('call', id, 64) });
/** Calls the function of this program that starts at the label. */
export const callLocal = (label: string): Item => jump(opcodeNamed('call_local', 'imm'), 'callLocal', 'imm', label);
/** Calls the helper whose id is in a register; the kernel does not take it. */
export const callx = (dst: Register): Item => item(opcodeNamed('callx', 'reg'), { dst: dst.register });
export const exit = (): Item => item(opcodeNamed('exit', 'none'), {});

/** Names the next instruction for jumps. */
export const label = (name: string): Item => ({ kind: 'label', name });
/** Says what the next instruction came from. */
export const comment = (text: string): Item => ({ kind: 'comment', text });

/** Places items one after the other and fills in the jumps. @throws AssembleError for labels that are missing, defined twice or out of reach */
export function assemble(items: readonly Item[]): Assembly {
  const labels = new Map<string, number>();
  let length = 0;
  for (const each of items) {
    if (each.kind === 'instruction') length += each.slots.length;
    if (each.kind !== 'label') continue;
    const before = labels.get(each.name);
    if (before !== undefined) {
      throw new AssembleError(
        `the label '${each.name}' is defined twice, before slot ${before} and before slot ${length}`,
      );
    }
    labels.set(each.name, length);
  }
  const built: Assembly = { instructions: [], relocations: [], lines: [] };
  let texts: string[] = [];
  for (const each of items) {
    if (each.kind === 'comment') texts.push(each.text);
    if (each.kind !== 'instruction') continue;
    const at = built.instructions.length;
    for (const text of texts) built.lines.push({ at, text });
    texts = [];
    if (each.relocation) built.relocations.push({ ...each.relocation, at });
    const [first, ...rest] = each.slots;
    if (!first) continue;
    built.instructions.push(each.target ? { ...first, ...reach(labels, at, each.target, length) } : first, ...rest);
  }
  return built;
}

function reach(
  labels: ReadonlyMap<string, number>,
  at: number,
  { label: name, field, name: operation }: { label: string; field: 'offset' | 'imm'; name: string },
  length: number,
): Partial<Instruction> {
  const place = labels.get(name);
  if (place === undefined) throw new AssembleError(`${operation} at slot ${at}: there is no label '${name}'`);
  if (place >= length) {
    throw new AssembleError(
      `${operation} at slot ${at}: the label '${name}' stands at the end, with no instruction after it`,
    );
  }
  const slots = place - at - 1;
  if (field === 'offset' && (slots << 16) >> 16 !== slots) {
    throw new AssembleError(
      `${operation} at slot ${at}: the label '${name}' at slot ${place} is ${Math.abs(slots)} slots away, ` +
        `more than a 16-bit offset reaches; use jal('${name}')`,
      true,
    );
  }
  return { [field]: slots };
}
