import { nearest } from '../text/index.ts';
import { memberNames } from './access.ts';
import type { Btf, BtfType } from './btf.ts';
import { BtfError } from './btf-kinds.ts';
import { essentialName } from './btf-strings.ts';
import { fieldsAreCompatible } from './core-types.ts';
import type { CoreKind } from './object.ts';

/** A step of an access: a member by name of the struct `typeId`, or element `index` of an array whose elements are `typeId`. */
export interface Accessor {
  readonly typeId: number;
  readonly index: number;
  readonly name: string | undefined;
}

/** An access in one BTF: what `0:2:1` from a type on comes to. Bits are counted from the start of the root type. */
export interface CoreSpec {
  readonly btf: Btf;
  readonly root: number;
  readonly accessors: readonly Accessor[];
  readonly bitOffset: number;
}

/** BPF_CORE_SPEC_MAX_LEN of libbpf's relo_core.h. */
const MAX_STEPS = 64;
const ACCESS = /^\d{1,10}(:\d{1,10})*$/;

/** What a relocation of that kind is about. */
export const coreSubject = (what: CoreKind): 'field' | 'type' | 'enumval' =>
  what.startsWith('field_') ? 'field' : what.startsWith('enumval_') ? 'enumval' : 'type';

const strip = (btf: Btf, id: number): readonly [id: number, type: BtfType | undefined] => {
  const resolved = btf.resolve(id);
  return [resolved, resolved === 0 ? undefined : btf.type(resolved)];
};

/** An array without a length at the end of a struct has as many elements as there is memory. */
function isFlexible(btf: Btf, previous: Accessor | undefined, array: BtfType): boolean {
  if (array.kind !== 'array' || array.length > 0 || previous?.name === undefined) return false;
  const owner = btf.type(previous.typeId);
  return 'members' in owner && previous.index === owner.members.length - 1;
}

const bitOffsetOf = (member: { readonly offset: number; readonly bits?: { readonly offset: number } }): number =>
  member.bits?.offset ?? member.offset * 8;

/** Reads an access string against the object's own BTF (bpf_core_parse_spec). @throws BtfError where the string leads nowhere */
export function parseCoreSpec(btf: Btf, root: number, access: string, what: CoreKind): CoreSpec {
  const subject = coreSubject(what);
  const fail = (problem: string): BtfError => new BtfError(`CO-RE access "${access}" of type ${root}: ${problem}`);
  if (!ACCESS.test(access)) throw fail('it is no list of numbers, 0:1:2');
  if (subject === 'type') {
    if (access !== '0') throw fail('a relocation of a type has the access "0"');
    btf.type(root);
    return { btf, root, accessors: [], bitOffset: 0 };
  }
  const [first = 0, ...rest] = access.split(':').map(Number);
  if (rest.length >= MAX_STEPS) throw fail(`more than ${MAX_STEPS} steps`);
  let [id, type] = strip(btf, root);
  if (subject === 'enumval') {
    const value = type?.kind === 'enum' && rest.length === 0 ? type.values[first] : undefined;
    if (!value) throw fail('it names no value of an enum');
    return { btf, root, accessors: [{ typeId: id, index: first, name: value.name }], bitOffset: 0 };
  }
  const accessors: Accessor[] = [{ typeId: id, index: first, name: undefined }];
  let bitOffset = first * btf.size(id) * 8;
  for (const index of rest) {
    if (type?.kind === 'struct' || type?.kind === 'union') {
      const member = type.members[index];
      if (!member) throw fail(`${type.kind} ${type.name} has no member ${index}`);
      bitOffset += bitOffsetOf(member);
      if (member.name !== '') accessors.push({ typeId: id, index, name: member.name });
      [id, type] = strip(btf, member.type);
    } else if (type?.kind === 'array') {
      if (index >= type.length && !isFlexible(btf, accessors.at(-1), type))
        throw fail(`element ${index} of an array of ${type.length}`);
      [id, type] = strip(btf, type.element);
      accessors.push({ typeId: id, index, name: undefined });
      bitOffset += index * btf.size(id) * 8;
    } else throw fail(`step ${index} goes into a ${type?.kind ?? 'void'}, which has no members`);
  }
  return { btf, root, accessors, bitOffset };
}

/** An access as a person writes it: `task_struct.signal.count[3]`. */
export function showSpec({ btf, root, accessors }: CoreSpec): string {
  const type = btf.type(root);
  let text = 'name' in type && type.name !== '' ? essentialName(type.name) : `(${type.kind})`;
  for (const [step, { name, index }] of accessors.entries())
    if (name !== undefined) text += btf.type(accessors[step]?.typeId ?? 0).kind === 'enum' ? `::${name}` : `.${name}`;
    else if (step > 0 || index > 0) text += `[${index}]`;
  return text;
}

/** Why an access doesn't exist in a kernel; `owner` as far as it does. */
export type CoreMismatch =
  | { readonly code: 'no_member'; readonly owner: string; readonly name: string; readonly near: string | undefined }
  | { readonly code: 'other_type'; readonly owner: string; readonly kind: string }
  | { readonly code: 'beyond_array'; readonly owner: string; readonly index: number; readonly length: number };

interface Place {
  readonly accessor: Accessor;
  readonly bitOffset: number;
  readonly next: number;
}

/** A member by name in a struct of the target, or in its anonymous members; undefined where there is none. */
function findMember(btf: Btf, structId: number, name: string, base: number, seen: Set<number>): Place | undefined {
  const [id, type] = strip(btf, structId);
  if ((type?.kind !== 'struct' && type?.kind !== 'union') || seen.has(id)) return undefined;
  seen.add(id);
  for (const [index, member] of type.members.entries()) {
    const bitOffset = base + bitOffsetOf(member);
    if (member.name === name) return { accessor: { typeId: id, index, name }, bitOffset, next: member.type };
    if (member.name !== '') continue;
    const found = findMember(btf, member.type, name, bitOffset, seen);
    if (found) return found;
  }
  return undefined;
}

/** Finds an access of the object's BTF in a type of the kernel's, by names and with types that are compatible (bpf_core_spec_match). */
export function matchField(local: CoreSpec, target: Btf, root: number): CoreSpec | CoreMismatch {
  const accessors: Accessor[] = [];
  let bitOffset = 0;
  let id = root;
  const owner = (): string => showSpec({ btf: target, root, accessors, bitOffset });
  for (const [step, wanted] of local.accessors.entries()) {
    const [structId, type] = strip(target, id);
    if (wanted.name !== undefined) {
      const found = findMember(target, structId, wanted.name, bitOffset, new Set());
      if (!found) {
        const near = nearest(wanted.name, memberNames(target, structId));
        return { code: 'no_member', owner: owner(), name: wanted.name, near };
      }
      const localOwner = local.btf.type(wanted.typeId);
      const localId = 'members' in localOwner ? (localOwner.members[wanted.index]?.type ?? 0) : 0;
      accessors.push(found.accessor);
      if (!fieldsAreCompatible({ local: local.btf, localId, target, targetId: found.next }))
        return { code: 'other_type', owner: owner(), kind: strip(target, found.next)[1]?.kind ?? 'void' };
      bitOffset = found.bitOffset;
      id = found.next;
      continue;
    }
    let elementId = structId;
    if (step > 0) {
      if (type?.kind !== 'array') return { code: 'other_type', owner: owner(), kind: type?.kind ?? 'void' };
      if (wanted.index >= type.length && !isFlexible(target, accessors.at(-1), type))
        return { code: 'beyond_array', owner: owner(), index: wanted.index, length: type.length };
      elementId = target.resolve(type.element);
    }
    accessors.push({ typeId: elementId, index: wanted.index, name: undefined });
    bitOffset += wanted.index * target.size(elementId) * 8;
    id = elementId;
  }
  return { btf: target, root, accessors, bitOffset };
}
