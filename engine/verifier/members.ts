import type { Btf, BtfMember, BtfType } from '../object/index.ts';

type Composite = Extract<BtfType, { members: readonly BtfMember[] }>;

/** Structs nest no deeper than this in any kernel; BTF that contains itself ends here. */
const MAX_DEPTH = 32;

const POINTER_BYTES = 8;

/**
 * Why the kernel refuses a load of `size` bytes at `at` in a struct, in words that follow "of struct x, "; undefined where it allows
 * it. A load may take a whole pointer, or bytes inside one member or one array of numbers (btf_struct_walk in kernel/bpf/btf.c).
 */
export function memberProblem(btf: Btf, structId: number, at: number, size: number): string | undefined {
  let type = btf.type(btf.resolve(structId));
  let offset = at;
  let inUnion = false;
  if (at < 0) return 'before its beginning';
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (type.kind !== 'struct' && type.kind !== 'union') return 'which is not a struct';
    inUnion ||= type.kind === 'union' && type.members.length !== 1;
    if (offset + size > type.size) {
      const element = flexibleElement(btf, type, offset);
      if (element === undefined) {
        return `${depth === 0 ? 'which has' : 'across the end of an embedded struct of'} ${type.size} bytes`;
      }
      if (element.type.kind !== 'struct') return undefined;
      offset = element.offset;
      type = element.type;
      continue;
    }
    const found = memberAt(btf, type, offset, size);
    if (found === undefined) return 'where it has no member';
    if (found === 'bits') return undefined;
    const { member, inside } = found;
    const element = elementOf(btf, member.type, inside);
    switch (element.type?.kind) {
      case 'struct':
      case 'union':
        type = element.type;
        offset = element.inside;
        continue;
      case 'pointer':
        if (element.inside === 0 && size === POINTER_BYTES) return undefined;
        return `which is a part of the pointer ${member.name}; read its ${POINTER_BYTES} bytes`;
      default:
        if (inUnion || inside + size <= btf.size(member.type)) return undefined;
        return `across the end of its member ${member.name} of ${btf.size(member.type)} bytes`;
    }
  }
  return 'whose BTF contains itself';
}

/** The member that covers an offset, or `bits` for bit fields that the bytes cover wholly. */
function memberAt(
  btf: Btf,
  type: Composite,
  offset: number,
  size: number,
): { readonly member: BtfMember; readonly inside: number } | 'bits' | undefined {
  for (const member of type.members) {
    if (offset + size <= member.offset) return undefined;
    if (member.bits) {
      const end = Math.ceil((member.bits.offset + member.bits.size) / 8);
      if (offset <= member.offset && end <= offset + size) return 'bits';
      continue;
    }
    if (offset < member.offset) return undefined;
    if (offset < member.offset + btf.size(member.type)) return { member, inside: offset - member.offset };
  }
  return undefined;
}

/** The innermost element type of a member, and how far into one element an offset lies. */
function elementOf(btf: Btf, typeId: number, offset: number): { type: BtfType | undefined; inside: number } {
  let id = btf.resolve(typeId);
  for (let depth = 0; depth < MAX_DEPTH && id !== 0; depth++) {
    const type = btf.type(id);
    if (type.kind !== 'array') return { type, inside: offset % Math.max(1, btf.size(id)) };
    id = btf.resolve(type.element);
  }
  return { type: undefined, inside: offset };
}

/** What an offset behind a struct's end means where its last member is an array without length. */
function flexibleElement(
  btf: Btf,
  { members }: Composite,
  offset: number,
): { readonly type: BtfType; readonly offset: number } | undefined {
  const last = members[members.length - 1];
  const array = last && btf.type(btf.resolve(last.type));
  if (!last || array?.kind !== 'array' || array.length !== 0 || offset < last.offset) return undefined;
  const id = btf.resolve(array.element);
  const type = btf.type(id);
  if (type.kind !== 'int' && type.kind !== 'struct') return undefined;
  return { type, offset: (offset - last.offset) % Math.max(1, btf.size(id)) };
}
