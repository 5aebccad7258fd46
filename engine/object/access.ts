import type { Btf, BtfAccess, BtfMember } from './btf.ts';
import { BtfError } from './btf-kinds.ts';

/** Why a path leads nowhere. `owner` is the path as far as it could be followed, `names` what it could go on with. */
export type AccessProblem =
  | { readonly code: 'malformed' }
  | { readonly code: 'no_struct'; readonly name: string }
  | { readonly code: 'no_member'; readonly owner: string; readonly name: string; readonly names: readonly string[] }
  | { readonly code: 'pointer'; readonly owner: string }
  | { readonly code: 'not_a_struct'; readonly owner: string; readonly kind: string }
  | { readonly code: 'not_an_array'; readonly owner: string; readonly kind: string }
  | { readonly code: 'beyond_array'; readonly owner: string; readonly index: number; readonly length: number };

const SEGMENT = /^([A-Za-z_]\w*)((?:\[\d+\])*)$/;

interface Found {
  readonly member: BtfMember;
  /** Bytes from the start of the struct that was asked. */
  readonly offset: number;
}

/** A member by name, in the struct itself or in its anonymous members; each struct is looked into once, however often it occurs. */
function findMember(
  btf: Btf,
  structId: number,
  name: string,
  base = 0,
  seen = new Map<number, 'open' | 'done'>(),
): Found | undefined {
  if (structId === 0) return undefined;
  if (seen.get(structId) === 'open') throw new BtfError(`BTF type ${structId} contains itself`);
  if (seen.has(structId)) return undefined;
  seen.set(structId, 'open');
  const type = btf.type(structId);
  const members = type.kind === 'struct' || type.kind === 'union' ? type.members : [];
  for (const member of members) {
    if (member.name === name) return { member, offset: base + member.offset };
    if (member.name !== '') continue;
    const found = findMember(btf, btf.resolve(member.type), name, base + member.offset, seen);
    if (found) return found;
  }
  seen.set(structId, 'done');
  return undefined;
}

/** The names by which a struct's members are reached, those of anonymous members included. */
export function memberNames(btf: Btf, structId: number, seen = new Set<number>()): string[] {
  if (structId === 0 || seen.has(structId)) return [];
  seen.add(structId);
  const type = btf.type(structId);
  if (type.kind !== 'struct' && type.kind !== 'union') return [];
  return type.members.flatMap((member) =>
    member.name === '' ? memberNames(btf, btf.resolve(member.type), seen) : [member.name],
  );
}

const kindOf = (btf: Btf, id: number): string => (id === 0 ? 'void' : btf.type(id).kind);

/** Follows `struct.member.member[2]` and says where it ends, or why it doesn't. Pointers are not followed: a program loads in between. */
export function followAccess(
  btf: Btf,
  path: string,
): { readonly access: BtfAccess } | { readonly problem: AccessProblem } {
  const [root = '', ...rest] = path.split('.');
  const segments = rest.map((segment) => SEGMENT.exec(segment));
  if (!/^[A-Za-z_]\w*$/.test(root) || segments.includes(null)) return { problem: { code: 'malformed' } };
  let typeId = btf.struct(root);
  if (typeId === undefined) return { problem: { code: 'no_struct', name: root } };
  let offset = 0;
  let owner = root;
  let bits: BtfAccess['bits'];
  for (const segment of segments) {
    const [, name = '', indices = ''] = segment ?? [];
    const kind = kindOf(btf, typeId);
    if (kind === 'pointer') return { problem: { code: 'pointer', owner } };
    if (kind !== 'struct' && kind !== 'union') return { problem: { code: 'not_a_struct', owner, kind } };
    const found = findMember(btf, typeId, name);
    if (!found) return { problem: { code: 'no_member', owner, name, names: memberNames(btf, typeId) } };
    offset += found.offset;
    typeId = btf.resolve(found.member.type);
    bits = found.member.bits;
    owner += `.${name}`;
    for (const [, digits] of indices.matchAll(/\[(\d+)\]/g)) {
      const array = typeId === 0 ? undefined : btf.type(typeId);
      if (array?.kind === 'pointer') return { problem: { code: 'pointer', owner } };
      if (array?.kind !== 'array') return { problem: { code: 'not_an_array', owner, kind: kindOf(btf, typeId) } };
      const index = Number(digits);
      if (array.length > 0 && index >= array.length)
        return { problem: { code: 'beyond_array', owner, index, length: array.length } };
      offset += index * btf.size(array.element);
      typeId = btf.resolve(array.element);
      owner += `[${index}]`;
    }
  }
  if (typeId === 0) return { problem: { code: 'not_a_struct', owner, kind: 'void' } };
  const access = { offset, size: btf.size(typeId), type: btf.type(typeId), typeId };
  return { access: bits ? { ...access, bits } : access };
}
