import type { BtfLinkage, BtfMember, BtfType } from './btf.ts';
import { BTF_INT_ENCODING, KIND } from './btf-kinds.ts';

/** Kinds that only qualify or name another type. */
export const MODIFIERS: Readonly<Record<number, 'typedef' | 'volatile' | 'const' | 'restrict' | 'type_tag'>> = {
  [KIND.typedef]: 'typedef',
  [KIND.volatile]: 'volatile',
  [KIND.const]: 'const',
  [KIND.restrict]: 'restrict',
  [KIND.type_tag]: 'type_tag',
};

/** How a type's words and names are read. `word` counts from where the type begins. */
export interface BtfWords {
  word(at: number, index: number): number;
  string(offset: number): string;
}

const LINKAGES: readonly BtfLinkage[] = ['static', 'global', 'extern'];

function members({ word, string }: BtfWords, at: number, count: number, bitFields: boolean): BtfMember[] {
  return Array.from({ length: count }, (_, i) => {
    const name = string(word(at, 3 + 3 * i));
    const type = word(at, 4 + 3 * i);
    const place = word(at, 5 + 3 * i);
    const bitOffset = bitFields ? place & 0xff_ffff : place;
    const bitSize = bitFields ? place >>> 24 : 0;
    const offset = bitOffset >>> 3;
    return bitSize === 0 && (bitOffset & 7) === 0
      ? { name, type, offset }
      : { name, type, offset, bits: { offset: bitOffset, size: bitSize } };
  });
}

function int(name: string, size: number, word: number): BtfType {
  const flags = word >>> 24;
  const signed = (flags & BTF_INT_ENCODING.signed) !== 0;
  const bits = { offset: (word >>> 16) & 0xff, size: word & 0xff };
  const encoding = flags & BTF_INT_ENCODING.bool ? 'bool' : flags & BTF_INT_ENCODING.char ? 'char' : undefined;
  const whole = bits.offset === 0 && bits.size === size * 8;
  return { kind: 'int', name, size, signed, ...(encoding && { encoding }), ...(!whole && { bits }) };
}

/** The type whose words begin at `at`. @throws BtfError for names that lie outside the strings */
export function decodeType(words: BtfWords, at: number): BtfType {
  const { word, string } = words;
  const name = string(word(at, 0));
  const info = word(at, 1);
  const vlen = info & 0xffff;
  const flag = info >>> 31 === 1;
  const kind = (info >>> 24) & 31;
  const sizeOrType = word(at, 2);
  const modifier = MODIFIERS[kind];
  if (modifier) return { kind: modifier, name, target: sizeOrType };
  switch (kind) {
    case KIND.int:
      return int(name, sizeOrType, word(at, 3));
    case KIND.pointer:
      return { kind: 'pointer', target: sizeOrType };
    case KIND.array:
      return { kind: 'array', element: word(at, 3), index: word(at, 4), length: word(at, 5) };
    case KIND.struct:
      return { kind: 'struct', name, size: sizeOrType, members: members(words, at, vlen, flag) };
    case KIND.union:
      return { kind: 'union', name, size: sizeOrType, members: members(words, at, vlen, flag) };
    case KIND.enum: {
      const values = Array.from({ length: vlen }, (_, i) => {
        const value = word(at, 4 + 2 * i);
        return { name: string(word(at, 3 + 2 * i)), value: BigInt(flag ? value | 0 : value) };
      });
      return { kind: 'enum', name, size: sizeOrType, signed: flag, values };
    }
    case KIND.enum64: {
      const values = Array.from({ length: vlen }, (_, i) => {
        const value = (BigInt(word(at, 5 + 3 * i)) << 32n) | BigInt(word(at, 4 + 3 * i));
        return { name: string(word(at, 3 + 3 * i)), value: flag ? BigInt.asIntN(64, value) : value };
      });
      return { kind: 'enum', name, size: sizeOrType, signed: flag, values };
    }
    case KIND.forward:
      return { kind: 'forward', name, of: flag ? 'union' : 'struct' };
    case KIND.func:
      return { kind: 'func', name, target: sizeOrType, linkage: LINKAGES[vlen] ?? 'extern' };
    case KIND.var:
      return { kind: 'var', name, target: sizeOrType, linkage: LINKAGES[word(at, 3)] ?? 'extern' };
    case KIND.datasec: {
      const variables = Array.from({ length: vlen }, (_, i) => ({
        type: word(at, 3 + 3 * i),
        offset: word(at, 4 + 3 * i),
        size: word(at, 5 + 3 * i),
      }));
      return { kind: 'datasec', name, size: sizeOrType, variables };
    }
    case KIND.decl_tag:
      return { kind: 'decl_tag', name, target: sizeOrType, component: word(at, 3) | 0 };
    case KIND.float:
      return { kind: 'float', name, size: sizeOrType };
    default: {
      const parameters = Array.from({ length: vlen }, (_, i) => ({
        name: string(word(at, 3 + 2 * i)),
        type: word(at, 4 + 2 * i),
      }));
      return { kind: 'func_proto', returns: sizeOrType, parameters };
    }
  }
}
