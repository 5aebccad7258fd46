import type { BtfLinkage, BtfMember, BtfType } from './btf.ts';
import { references } from './btf-check.ts';
import { BTF_HEADER_BYTES, BTF_INT_ENCODING, BTF_MAGIC, BtfError, KIND } from './btf-kinds.ts';

/** Bit 31 of info: bit fields in a struct, a forward union, signed values in an enum. */
const KIND_FLAG = 0x8000_0000;
const MAX_MEMBERS = 0xffff;
const LINKAGE: Readonly<Record<BtfLinkage, number>> = { static: 0, global: 1, extern: 2 };

/** Texts of a string section, each once. */
interface StringTable {
  offset(text: string): number;
  bytes(): readonly Uint8Array[];
  length(): number;
}

function createStringTable(): StringTable {
  const parts: Uint8Array[] = [new Uint8Array(1)];
  const offsets = new Map<string, number>([['', 0]]);
  let length = 1;
  return {
    offset: (text) => {
      const known = offsets.get(text);
      if (known !== undefined) return known;
      if (text.includes('\0')) throw new BtfError(`a BTF name can't contain a NUL byte: ${JSON.stringify(text)}`);
      const bytes = new TextEncoder().encode(`${text}\0`);
      const offset = length;
      parts.push(bytes);
      offsets.set(text, offset);
      length += bytes.length;
      return offset;
    },
    bytes: () => parts,
    length: () => length,
  };
}

/** What follows a type's name: whether bit 31 is set, how many members, size or type, and the words of its kind. */
interface Encoded {
  readonly kind: number;
  readonly name: string;
  readonly sizeOrType: number;
  readonly vlen?: number;
  readonly flag?: boolean;
  readonly words?: readonly number[];
}

const place = ({ offset, bits }: BtfMember, bitFields: boolean): number =>
  bits === undefined ? offset * 8 : bitFields ? (bits.size << 24) | bits.offset : bits.offset;

const half = (value: bigint, shift: bigint): number => Number(BigInt.asUintN(32, value >> shift));

function encodeType(type: BtfType, string: (text: string) => number): Encoded {
  switch (type.kind) {
    case 'int': {
      const { offset, size } = type.bits ?? { offset: 0, size: type.size * 8 };
      const encoding =
        (type.signed ? BTF_INT_ENCODING.signed : 0) | (type.encoding ? BTF_INT_ENCODING[type.encoding] : 0);
      const words = [(encoding << 24) | (offset << 16) | size];
      return { kind: KIND.int, name: type.name, sizeOrType: type.size, words };
    }
    case 'pointer':
      return { kind: KIND.pointer, name: '', sizeOrType: type.target };
    case 'array':
      return { kind: KIND.array, name: '', sizeOrType: 0, words: [type.element, type.index, type.length] };
    case 'struct':
    case 'union': {
      const flag = type.members.some(({ bits }) => bits !== undefined && bits.size > 0);
      const words = type.members.flatMap((one) => [string(one.name), one.type, place(one, flag)]);
      return { kind: KIND[type.kind], name: type.name, sizeOrType: type.size, vlen: type.members.length, flag, words };
    }
    case 'enum': {
      const wide = type.size === 8;
      const misfit = wide ? undefined : type.values.find(({ value }) => value < -(2n ** 31n) || value >= 2n ** 32n);
      if (misfit) throw new BtfError(`${misfit.name} of enum "${type.name}" is ${misfit.value}, which needs 64 bits`);
      const words = type.values.flatMap(({ name, value }) =>
        wide ? [string(name), half(value, 0n), half(value, 32n)] : [string(name), half(value, 0n)],
      );
      const { name, size, signed, values } = type;
      return { kind: wide ? KIND.enum64 : KIND.enum, name, sizeOrType: size, vlen: values.length, flag: signed, words };
    }
    case 'forward':
      return { kind: KIND.forward, name: type.name, sizeOrType: 0, flag: type.of === 'union' };
    case 'func':
      return { kind: KIND.func, name: type.name, sizeOrType: type.target, vlen: LINKAGE[type.linkage] };
    case 'var':
      return { kind: KIND.var, name: type.name, sizeOrType: type.target, words: [LINKAGE[type.linkage]] };
    case 'func_proto': {
      const words = type.parameters.flatMap((one) => [string(one.name), one.type]);
      return { kind: KIND.func_proto, name: '', sizeOrType: type.returns, vlen: type.parameters.length, words };
    }
    case 'datasec': {
      const words = type.variables.flatMap((one) => [one.type, one.offset, one.size]);
      return { kind: KIND.datasec, name: type.name, sizeOrType: type.size, vlen: type.variables.length, words };
    }
    case 'decl_tag':
      return { kind: KIND.decl_tag, name: type.name, sizeOrType: type.target, words: [type.component >>> 0] };
    case 'float':
      return { kind: KIND.float, name: type.name, sizeOrType: type.size };
    default:
      return { kind: KIND[type.kind], name: type.name, sizeOrType: type.target };
  }
}

/**
 * A BTF section, little endian, with its header: type n of the list has the id n + 1. An enum of 8 bytes becomes an enum64.
 * @throws BtfError where a type refers to one that isn't there, or has too many members
 */
export function encodeBtf(types: readonly BtfType[]): Uint8Array {
  const strings = createStringTable();
  const words: number[] = [];
  for (const [index, type] of types.entries()) {
    for (const to of references(type))
      if (!Number.isInteger(to) || to < 0 || to > types.length)
        throw new BtfError(`type ${index + 1} refers to type ${to}, but the last is ${types.length}`);
    const name = strings.offset('name' in type ? type.name : '');
    const { kind, sizeOrType, vlen = 0, flag = false, words: more = [] } = encodeType(type, strings.offset);
    if (vlen > MAX_MEMBERS)
      throw new BtfError(`"${'name' in type ? type.name : ''}" has ${vlen} members; BTF has room for ${MAX_MEMBERS}`);
    words.push(name, ((kind << 24) | vlen | (flag ? KIND_FLAG : 0)) >>> 0, sizeOrType);
    for (const word of more) words.push(word);
  }
  const section = new Uint8Array(BTF_HEADER_BYTES + words.length * 4 + strings.length());
  const view = new DataView(section.buffer);
  view.setUint16(0, BTF_MAGIC, true);
  view.setUint8(2, 1);
  const header = [BTF_HEADER_BYTES, 0, words.length * 4, words.length * 4, strings.length()];
  for (const [i, word] of header.entries()) view.setUint32(4 + i * 4, word, true);
  for (const [i, word] of words.entries()) view.setUint32(BTF_HEADER_BYTES + i * 4, word, true);
  let at = BTF_HEADER_BYTES + words.length * 4;
  for (const bytes of strings.bytes()) {
    section.set(bytes, at);
    at += bytes.length;
  }
  return section;
}
