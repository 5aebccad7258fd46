import { nearest } from '../text/index.ts';
import type { Btf, BtfType } from './btf.ts';
import { BtfError } from './btf-kinds.ts';
import { essentialName } from './btf-strings.ts';
import { type CoreMismatch, type CoreSpec, coreSubject, matchField, parseCoreSpec, showSpec } from './core-spec.ts';
import { typesAreCompatible, typesMatch } from './core-types.ts';
import type { CoreKind, Relocation } from './object.ts';

/** A relocation as clang writes it. */
export type CoreRelocation = Extract<Relocation, { kind: 'core' }>;

/** The width of the member that a load or store goes to, in bytes, and what it may become. */
export interface MemoryWidth {
  readonly from: number;
  readonly to: number;
  /** Only pointers and unsigned integers keep their value when they are read with another width. */
  readonly adjustable: boolean;
}

/** What a CO-RE relocation comes to for a kernel; a missing field is no error until an instruction that needs it is reached. */
export type CoreResult =
  | {
      readonly value: bigint;
      /** What the compiler put there, where it must be what the object's own BTF says. */
      readonly original: bigint | undefined;
      readonly width: MemoryWidth | undefined;
    }
  | { readonly missing: string };

interface FieldValue {
  readonly value: bigint;
  readonly checked: boolean;
  readonly size: number;
  readonly typeId: number;
}

const strip = (btf: Btf, id: number): BtfType | undefined => {
  const resolved = btf.resolve(id);
  return resolved === 0 ? undefined : btf.type(resolved);
};

/** Size of what a load of a member reads: of arrays, one element. */
function elementSize(btf: Btf, id: number): number {
  let at = id;
  let type = strip(btf, at);
  for (let depth = 0; type?.kind === 'array' && depth < 32; depth++) {
    at = type.element;
    type = strip(btf, at);
  }
  return btf.size(at);
}

/** Byte and width of the smallest aligned load that covers a bit field (bpf_core_calc_field_relo of libbpf). */
function bitFieldLoad(start: number, bits: number, typeSize: number): { readonly byte: number; readonly size: number } {
  let size = Math.max(1, typeSize);
  let byte = Math.floor(start / 8 / size) * size;
  while (start + bits - byte * 8 > size * 8) {
    if (size >= 8)
      throw new BtfError(`a bit field of ${bits} bits at bit ${start} can't be read by one load of 8 bytes`);
    size *= 2;
    byte = Math.floor(start / 8 / size) * size;
  }
  return { byte, size };
}

const plain = (value: number | bigint, checked = true): FieldValue => ({
  value: BigInt(value),
  checked,
  size: 0,
  typeId: 0,
});

function fieldValue({ btf, accessors, bitOffset }: CoreSpec, what: CoreKind): FieldValue {
  const last = accessors.at(-1);
  if (!last) throw new BtfError('a CO-RE access without a step');
  const owner = btf.type(last.typeId);
  if (last.name === undefined) {
    if (what === 'field_byte_offset')
      return { ...plain(Math.floor(bitOffset / 8)), size: elementSize(btf, last.typeId), typeId: last.typeId };
    if (what === 'field_byte_size') return plain(btf.size(last.typeId));
    throw new BtfError(`${what} of an element of an array; ask for a member of a struct`);
  }
  const member = 'members' in owner ? owner.members[last.index] : undefined;
  if (!member) throw new BtfError(`type ${last.typeId} has no member ${last.index}`);
  const typeId = btf.resolve(member.type);
  const type = typeId === 0 ? undefined : btf.type(typeId);
  const bits = member.bits?.size ?? 0;
  const isBitField = bits > 0;
  const whole = btf.size(typeId);
  const load = isBitField ? bitFieldLoad(bitOffset, bits, whole) : { byte: Math.floor(bitOffset / 8), size: whole };
  const width = isBitField ? bits : whole * 8;
  switch (what) {
    case 'field_byte_offset':
      return isBitField ? plain(load.byte, false) : { ...plain(load.byte), size: elementSize(btf, typeId), typeId };
    case 'field_byte_size':
      return plain(load.size, !isBitField);
    case 'field_signed':
      return plain((type?.kind === 'enum' || type?.kind === 'int') && type.signed ? 1 : 0);
    case 'field_lshift_u64':
      return plain(BigInt.asUintN(64, BigInt(64 - (bitOffset + width - load.byte * 8))), !isBitField);
    default:
      return plain(BigInt.asUintN(64, BigInt(64 - width)));
  }
}

function memoryWidth(local: CoreSpec, mine: FieldValue, target: CoreSpec, theirs: FieldValue): MemoryWidth | undefined {
  if (mine.size === theirs.size) return undefined;
  const a = strip(local.btf, mine.typeId);
  const b = strip(target.btf, theirs.typeId);
  const pointers = a?.kind === 'pointer' && b?.kind === 'pointer';
  const unsigned = a?.kind === 'int' && b?.kind === 'int' && !a.signed && !b.signed;
  return { from: mine.size, to: theirs.size, adjustable: pointers || unsigned };
}

/** The kernel's types that may be what the object means: the same name but for flavours, and the same kind. */
function candidates(local: Btf, root: number, kernel: Btf): readonly number[] {
  const type = local.type(root);
  const name = 'name' in type ? type.name : '';
  if (name === '') throw new BtfError(`type ${root} has no name, so that it can't be found in a kernel`);
  return kernel.flavours(name).filter((id) => kernel.type(id).kind === type.kind);
}

const GUARDS = {
  field: 'bpf_core_field_exists()',
  type: 'bpf_core_type_exists()',
  enumval: 'bpf_core_enum_value_exists()',
} as const;

function explain(local: CoreSpec, subject: keyof typeof GUARDS, mismatch: CoreMismatch | undefined): string {
  const wanted = showSpec(local);
  const remedy = `; guard it with ${GUARDS[subject]}`;
  if (!mismatch) {
    const type = local.btf.type(local.root);
    const named = 'name' in type ? `${type.kind} "${essentialName(type.name)}"` : `type ${local.root}`;
    return `${wanted}: this kernel has no ${named}${remedy}`;
  }
  switch (mismatch.code) {
    case 'no_member': {
      const near = mismatch.near === undefined ? '' : `, nearest is "${mismatch.near}"`;
      return `${wanted}: ${mismatch.owner} has no member "${mismatch.name}" in this kernel${near}${remedy}`;
    }
    case 'other_type':
      return `${wanted}: ${mismatch.owner} is of another kind in this kernel, ${mismatch.kind}${remedy}`;
    case 'beyond_array':
      return `${wanted}: element ${mismatch.index} of ${mismatch.owner}, which has ${mismatch.length} in this kernel${remedy}`;
  }
}

/** One candidate's answer: a spec in the kernel, or undefined with the first reason why there is none. */
interface Search {
  readonly found: readonly CoreSpec[];
  readonly mismatch: CoreMismatch | undefined;
}

function search(local: CoreSpec, what: CoreKind, kernel: Btf): Search {
  const found: CoreSpec[] = [];
  let mismatch: CoreMismatch | undefined;
  for (const root of candidates(local.btf, local.root, kernel)) {
    const bare: CoreSpec = { btf: kernel, root, accessors: [], bitOffset: 0 };
    const pair = { local: local.btf, localId: local.root, target: kernel, targetId: root };
    if (coreSubject(what) === 'type') {
      if (what === 'type_matches' ? typesMatch(pair) : typesAreCompatible(pair)) found.push(bare);
    } else if (coreSubject(what) === 'enumval') {
      const typeId = kernel.resolve(root);
      const type = strip(kernel, typeId);
      const name = local.accessors[0]?.name ?? '';
      const values = type?.kind === 'enum' ? type.values : [];
      const index = values.findIndex((value) => essentialName(value.name) === essentialName(name));
      if (index >= 0) found.push({ ...bare, accessors: [{ typeId, index, name }] });
      else {
        const near = nearest(
          name,
          values.map((value) => value.name),
        );
        mismatch ??= { code: 'no_member', owner: showSpec(bare), name, near };
      }
    } else {
      const matched = matchField(local, kernel, root);
      if ('code' in matched) mismatch ??= matched;
      else found.push(matched);
    }
  }
  return { found, mismatch };
}

function enumValue({ btf, accessors: [accessor] }: CoreSpec): bigint {
  const type = accessor && btf.type(accessor.typeId);
  const value = type?.kind === 'enum' ? type.values[accessor?.index ?? -1] : undefined;
  if (!value) throw new BtfError('a CO-RE access that names no value of an enum');
  return BigInt.asUintN(64, value.value);
}

/** What the relocation comes to in one BTF. */
function valueIn(spec: CoreSpec, what: CoreKind): FieldValue {
  switch (what) {
    case 'field_exists':
    case 'enumval_exists':
    case 'type_exists':
    case 'type_matches':
      return plain(1);
    case 'enumval_value':
      return plain(enumValue(spec));
    case 'type_size':
      return plain(spec.btf.size(spec.root));
    case 'type_id_local':
    case 'type_id_target':
      return plain(spec.root, false);
    default:
      return fieldValue(spec, what);
  }
}

/** Kinds that answer 0 where the kernel has no such thing, so that programs can ask. */
const ZERO_WHEN_MISSING: ReadonlySet<CoreKind> = new Set([
  'field_exists',
  'enumval_exists',
  'type_exists',
  'type_matches',
  'type_size',
  'type_id_target',
]);

/**
 * What a CO-RE relocation of an object comes to for a kernel, by the rules of libbpf's relo_core.c: all types of the kernel with the
 * same name but for flavours must agree.
 * @throws BtfError for an access that the object's own BTF doesn't have, and for candidates that disagree.
 */
export function resolveCore({ type, access, what }: CoreRelocation, local: Btf, kernel: Btf): CoreResult {
  const spec = parseCoreSpec(local, type, access, what);
  const mine = valueIn(spec, what);
  const original = mine.checked ? mine.value : undefined;
  if (what === 'type_id_local') return { value: mine.value, original, width: undefined };
  const { found, mismatch } = search(spec, what, kernel);
  const [first, ...others] = found;
  if (!first) {
    if (ZERO_WHEN_MISSING.has(what)) return { value: 0n, original, width: undefined };
    return { missing: explain(spec, coreSubject(what), mismatch) };
  }
  const theirs = valueIn(first, what);
  for (const other of others) {
    const another = valueIn(other, what);
    if (other.bitOffset !== first.bitOffset || another.value !== theirs.value)
      throw new BtfError(
        `${showSpec(spec)} is ambiguous: this kernel's types ${first.root} and ${other.root} of that name disagree (${theirs.value} and ${another.value})`,
      );
  }
  return { value: theirs.value, original, width: memoryWidth(spec, mine, first, theirs) };
}

/** A relocation in words, `field_byte_offset of task_struct.pid`, as far as the object's BTF is sound. */
export function describeCore({ type, access, what }: CoreRelocation, local: Btf): string {
  try {
    return `${what} of ${showSpec(parseCoreSpec(local, type, access, what))}`;
  } catch (error) {
    if (error instanceof BtfError) return `${what} of type ${type}, ${access}`;
    throw error;
  }
}
