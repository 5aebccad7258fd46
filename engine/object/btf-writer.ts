import type { BtfLinkage } from './btf.ts';
import { BTF_HEADER_BYTES, BTF_INT_SIGNED, BTF_MAGIC, BtfError, KIND } from './btf-kinds.ts';

/** A member to write: `offset` in bytes, or in bits where `bits` gives a bit field's width. An anonymous member has the name ''. */
export interface BtfMemberSpec {
  readonly name: string;
  readonly type: number;
  readonly offset: number;
  readonly bits?: number;
}

/** Builds a BTF section type by type; every method returns the new type's id, and ids may be used before they are defined. */
export interface BtfBuilder {
  /** @param size bytes: 1, 2, 4, 8 or 16. */
  int(name: string, size: number, signed?: boolean): number;
  /** @param target 0 for void. */
  pointer(target: number): number;
  array(element: number, length: number): number;
  /** A struct whose members come later, by `define`; without them it is written as a forward declaration. */
  declare(kind: 'struct' | 'union', name: string): number;
  /** Gives a declared struct its members; `size` in bytes. */
  define(id: number, size: number, members: readonly BtfMemberSpec[]): void;
  struct(name: string, size: number, members: readonly BtfMemberSpec[]): number;
  union(name: string, size: number, members: readonly BtfMemberSpec[]): number;
  enum(name: string, size: number, values: Readonly<Record<string, number>>): number;
  enum64(name: string, values: Readonly<Record<string, bigint>>): number;
  forward(kind: 'struct' | 'union', name: string): number;
  typedef(name: string, target: number): number;
  const(target: number): number;
  volatile(target: number): number;
  restrict(target: number): number;
  typeTag(tag: string, target: number): number;
  funcProto(returns: number, parameters: readonly { readonly name: string; readonly type: number }[]): number;
  /** @param linkage 'static' where it is left out. */
  func(name: string, proto: number, linkage?: BtfLinkage): number;
  float(name: string, size: number): number;
  /** @param linkage 'static' where it is left out. */
  variable(name: string, type: number, linkage?: BtfLinkage): number;
  dataSection(
    name: string,
    size: number,
    variables: readonly { readonly type: number; readonly offset: number; readonly size: number }[],
  ): number;
  /** @param component the member or parameter that is tagged, from 0; the type as a whole where it is left out. */
  declarationTag(tag: string, target: number, component?: number): number;
  /** The section, little endian, with `.BTF`'s header. @throws BtfError when a type refers to one that was never made. */
  bytes(): Uint8Array;
}

interface Composite {
  readonly kind: 'struct' | 'union';
  readonly name: string;
  body?: { readonly size: number; readonly members: readonly BtfMemberSpec[] };
}

/** Bit 31 of info: bit fields in a struct, a forward union, signed values in an enum. */
const KIND_FLAG = 0x8000_0000;
const MAX_MEMBERS = 0xffff;
const LINKAGE: Readonly<Record<BtfLinkage, number>> = { static: 0, global: 1, extern: 2 };

/** An empty BTF builder. */
export function createBtfBuilder(): BtfBuilder {
  const types: (readonly number[] | Composite)[] = [];
  const references: { readonly from: number; readonly to: number }[] = [];
  const strings: Uint8Array[] = [new Uint8Array(1)];
  const stringOffsets = new Map<string, number>([['', 0]]);
  let stringBytes = 1;
  let indexType = 0;

  const string = (text: string): number => {
    const known = stringOffsets.get(text);
    if (known !== undefined) return known;
    if (text.includes('\0')) throw new BtfError(`a BTF name can't contain a NUL byte: ${JSON.stringify(text)}`);
    const bytes = new TextEncoder().encode(`${text}\0`);
    const offset = stringBytes;
    strings.push(bytes);
    stringOffsets.set(text, offset);
    stringBytes += bytes.length;
    return offset;
  };

  const info = (name: string, kind: number, vlen: number, flag: boolean): number => {
    if (vlen > MAX_MEMBERS) throw new BtfError(`"${name}" has ${vlen} members; BTF has room for ${MAX_MEMBERS}`);
    return ((kind << 24) | vlen | (flag ? KIND_FLAG : 0)) >>> 0;
  };
  const addFlagged = (
    name: string,
    kind: number,
    vlen: number,
    sizeOrType: number,
    flag: boolean,
    words: readonly number[],
  ): number => types.push([string(name), info(name, kind, vlen, flag), sizeOrType, ...words]);
  const add = (name: string, kind: number, vlen: number, sizeOrType: number, ...words: number[]): number =>
    addFlagged(name, kind, vlen, sizeOrType, false, words);

  /** Notes that the type about to be added refers to `to`. */
  const refer = (to: number): number => {
    references.push({ from: types.length + 1, to });
    return to;
  };

  const composite = (kind: 'struct' | 'union', name: string, body?: Composite['body']): number => {
    if (body) for (const member of body.members) refer(member.type);
    return types.push(body ? { kind, name, body } : { kind, name });
  };

  const encodeComposite = ({ kind, name, body }: Composite): number[] => {
    if (!body) return [string(name), info(name, KIND.forward, 0, kind === 'union'), 0];
    const { members, size } = body;
    const bitFields = members.some((member) => member.bits !== undefined);
    const words = members.flatMap((member) => [
      string(member.name),
      member.type,
      member.bits === undefined ? member.offset * 8 : (member.bits << 24) | member.offset,
    ]);
    return [string(name), info(name, KIND[kind], members.length, bitFields), size, ...words];
  };

  return {
    int: (name, size, signed = false) =>
      add(name, KIND.int, 0, size, ((signed ? BTF_INT_SIGNED : 0) << 24) | (size * 8)),
    pointer: (target) => add('', KIND.pointer, 0, refer(target)),
    array: (element, length) => {
      if (indexType === 0) indexType = add('__ARRAY_SIZE_TYPE__', KIND.int, 0, 4, 32);
      return add('', KIND.array, 0, 0, refer(element), indexType, length);
    },
    declare: (kind, name) => composite(kind, name),
    define: (id, size, members) => {
      const type = types[id - 1];
      if (!type || !('kind' in type)) throw new BtfError(`type ${id} was not declared as a struct or union`);
      if (type.body) throw new BtfError(`${type.kind} ${type.name} is defined twice`);
      for (const member of members) references.push({ from: id, to: member.type });
      type.body = { size, members };
    },
    struct: (name, size, members) => composite('struct', name, { size, members }),
    union: (name, size, members) => composite('union', name, { size, members }),
    enum: (name, size, values) => {
      const entries = Object.entries(values);
      const words = entries.flatMap(([value, n]) => [string(value), n >>> 0]);
      const signed = entries.some(([, n]) => n < 0);
      return addFlagged(name, KIND.enum, entries.length, size, signed, words);
    },
    enum64: (name, values) => {
      const entries = Object.entries(values);
      const words = entries.flatMap(([value, n]) => [
        string(value),
        Number(BigInt.asUintN(32, n)),
        Number(BigInt.asUintN(32, n >> 32n)),
      ]);
      const signed = entries.some(([, n]) => n < 0n);
      return addFlagged(name, KIND.enum64, entries.length, 8, signed, words);
    },
    forward: (kind, name) => composite(kind, name),
    typedef: (name, target) => add(name, KIND.typedef, 0, refer(target)),
    const: (target) => add('', KIND.const, 0, refer(target)),
    volatile: (target) => add('', KIND.volatile, 0, refer(target)),
    restrict: (target) => add('', KIND.restrict, 0, refer(target)),
    typeTag: (tag, target) => add(tag, KIND.type_tag, 0, refer(target)),
    funcProto: (returns, parameters) => {
      refer(returns);
      const words = parameters.flatMap(({ name, type }) => [string(name), refer(type)]);
      return add('', KIND.func_proto, parameters.length, returns, ...words);
    },
    func: (name, proto, linkage = 'static') => add(name, KIND.func, LINKAGE[linkage], refer(proto)),
    float: (name, size) => add(name, KIND.float, 0, size),
    variable: (name, type, linkage = 'static') => add(name, KIND.var, 0, refer(type), LINKAGE[linkage]),
    dataSection: (name, size, variables) => {
      const words = variables.flatMap((variable) => [refer(variable.type), variable.offset, variable.size]);
      return add(name, KIND.datasec, variables.length, size, ...words);
    },
    declarationTag: (tag, target, component = -1) => add(tag, KIND.decl_tag, 0, refer(target), component >>> 0),
    bytes: () => {
      for (const { from, to } of references)
        if (!Number.isInteger(to) || to < 0 || to > types.length)
          throw new BtfError(`type ${from} refers to type ${to}, but the last is ${types.length}`);
      const words = types.flatMap((type) => ('kind' in type ? encodeComposite(type) : type));
      const section = new Uint8Array(BTF_HEADER_BYTES + words.length * 4 + stringBytes);
      const view = new DataView(section.buffer);
      view.setUint16(0, BTF_MAGIC, true);
      view.setUint8(2, 1);
      const header = [BTF_HEADER_BYTES, 0, words.length * 4, words.length * 4, stringBytes];
      for (const [i, word] of header.entries()) view.setUint32(4 + i * 4, word, true);
      for (const [i, word] of words.entries()) view.setUint32(BTF_HEADER_BYTES + i * 4, word, true);
      let at = BTF_HEADER_BYTES + words.length * 4;
      for (const bytes of strings) {
        section.set(bytes, at);
        at += bytes.length;
      }
      return section;
    },
  };
}
