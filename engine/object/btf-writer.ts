import type { BtfLinkage, BtfMember, BtfType } from './btf.ts';
import { encodeBtf } from './btf-encode.ts';
import { BtfError } from './btf-kinds.ts';

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

const toMember = ({ name, type, offset, bits }: BtfMemberSpec): BtfMember =>
  bits === undefined ? { name, type, offset } : { name, type, offset: offset >>> 3, bits: { offset, size: bits } };

/** An empty BTF builder. */
export function createBtfBuilder(): BtfBuilder {
  const types: BtfType[] = [];
  let indexType = 0;

  const composite = (
    kind: 'struct' | 'union',
    name: string,
    size: number,
    members: readonly BtfMemberSpec[],
  ): BtfType => ({ kind, name, size, members: members.map(toMember) });
  const enumeration = (name: string, size: number, values: readonly (readonly [string, bigint])[]): number =>
    types.push({
      kind: 'enum',
      name,
      size,
      signed: values.some(([, value]) => value < 0n),
      values: values.map(([value, n]) => ({ name: value, value: n })),
    });

  return {
    int: (name, size, signed = false) => types.push({ kind: 'int', name, size, signed }),
    pointer: (target) => types.push({ kind: 'pointer', target }),
    array: (element, length) => {
      if (indexType === 0) indexType = types.push({ kind: 'int', name: '__ARRAY_SIZE_TYPE__', size: 4, signed: false });
      return types.push({ kind: 'array', element, index: indexType, length });
    },
    declare: (of, name) => types.push({ kind: 'forward', name, of }),
    define: (id, size, members) => {
      const type = types[id - 1];
      if (type?.kind === 'struct' || type?.kind === 'union')
        throw new BtfError(`${type.kind} ${type.name} is defined twice`);
      if (type?.kind !== 'forward') throw new BtfError(`type ${id} was not declared as a struct or union`);
      types[id - 1] = composite(type.of, type.name, size, members);
    },
    struct: (name, size, members) => types.push(composite('struct', name, size, members)),
    union: (name, size, members) => types.push(composite('union', name, size, members)),
    enum: (name, size, values) =>
      enumeration(
        name,
        size,
        Object.entries(values).map(([value, n]) => [value, BigInt(n)]),
      ),
    enum64: (name, values) => enumeration(name, 8, Object.entries(values)),
    forward: (of, name) => types.push({ kind: 'forward', name, of }),
    typedef: (name, target) => types.push({ kind: 'typedef', name, target }),
    const: (target) => types.push({ kind: 'const', name: '', target }),
    volatile: (target) => types.push({ kind: 'volatile', name: '', target }),
    restrict: (target) => types.push({ kind: 'restrict', name: '', target }),
    typeTag: (name, target) => types.push({ kind: 'type_tag', name, target }),
    funcProto: (returns, parameters) => types.push({ kind: 'func_proto', returns, parameters }),
    func: (name, target, linkage = 'static') => types.push({ kind: 'func', name, target, linkage }),
    float: (name, size) => types.push({ kind: 'float', name, size }),
    variable: (name, target, linkage = 'static') => types.push({ kind: 'var', name, target, linkage }),
    dataSection: (name, size, variables) => types.push({ kind: 'datasec', name, size, variables }),
    declarationTag: (name, target, component = -1) => types.push({ kind: 'decl_tag', name, target, component }),
    bytes: () => encodeBtf(types),
  };
}
