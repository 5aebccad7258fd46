import { followAccess } from './access.ts';
import type { Btf, BtfType } from './btf.ts';
import { decodeType, MODIFIERS } from './btf-decode.ts';
import { BTF_HEADER_BYTES, BTF_MAGIC, BtfError, type BtfKind, KIND, KIND_NAMES } from './btf-kinds.ts';
import { createStrings, essentialName } from './btf-strings.ts';

/** MAX_RESOLVE_DEPTH of kernel/bpf/btf.c, raised a little: longer chains of modifiers or nested arrays are a circle. */
const MAX_DEPTH = 64;
const POINTER_BYTES = 8;
/** Sizes are 32 bits wide, as in btf_type_size of kernel/bpf/btf.c. */
const MAX_BYTES = 0xffff_ffff;

function bounded(id: number, bytes: number): number {
  if (bytes > MAX_BYTES) throw new BtfError(`BTF type ${id} is larger than 4 GiB`);
  return bytes;
}

/** Words of 4 bytes that follow a type's first three: fixed, and for each member. */
const EXTRA: readonly (readonly [fixed: number, perMember: number] | undefined)[] = (() => {
  const extra: (readonly [number, number])[] = [];
  for (const kind of Object.values(KIND)) extra[kind] = [0, 0];
  extra[KIND.int] = [1, 0];
  extra[KIND.array] = [3, 0];
  extra[KIND.struct] = extra[KIND.union] = extra[KIND.datasec] = extra[KIND.enum64] = [0, 3];
  extra[KIND.enum] = extra[KIND.func_proto] = [0, 2];
  extra[KIND.var] = extra[KIND.decl_tag] = [1, 0];
  return extra;
})();

interface Sections {
  readonly types: DataView;
  readonly strings: Uint8Array;
}

function readHeader(bytes: Uint8Array): Sections {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < BTF_HEADER_BYTES)
    throw new BtfError(`BTF is truncated: ${bytes.length} bytes, less than a header of ${BTF_HEADER_BYTES}`);
  const magic = view.getUint16(0, true);
  if (magic === 0x9feb) throw new BtfError('BTF is big endian; only little endian is supported');
  if (magic !== BTF_MAGIC) throw new BtfError(`not BTF: it starts with 0x${magic.toString(16)}, not 0xeb9f`);
  const version = view.getUint8(2);
  if (version !== 1) throw new BtfError(`BTF has version ${version}; only version 1 is supported`);
  const header = view.getUint32(4, true);
  const section = (name: string, at: number): readonly [start: number, length: number] => {
    const start = header + view.getUint32(at, true);
    const length = view.getUint32(at + 4, true);
    if (header < BTF_HEADER_BYTES || start + length > bytes.length)
      throw new BtfError(
        `BTF is truncated: its ${name} end at byte ${start + length}, but there are ${bytes.length} bytes`,
      );
    return [start, length];
  };
  const [typesAt, typesLength] = section('types', 8);
  const [stringsAt, stringsLength] = section('strings', 16);
  const strings = bytes.subarray(stringsAt, stringsAt + stringsLength);
  if (strings.length === 0 || strings[0] !== 0 || strings[strings.length - 1] !== 0)
    throw new BtfError("BTF's strings must begin and end with a NUL byte");
  return { types: new DataView(bytes.buffer, bytes.byteOffset + typesAt, typesLength), strings };
}

/** Where each type starts; index 0 is void, which has no place. */
function indexTypes(types: DataView): Uint32Array {
  let starts = new Uint32Array(Math.ceil(types.byteLength / 12) + 1);
  let count = 0;
  let at = 0;
  while (at < types.byteLength) {
    const id = count + 1;
    const truncated = (): BtfError => new BtfError(`BTF is truncated: type ${id} goes beyond the end of the types`);
    if (at + 12 > types.byteLength) throw truncated();
    const info = types.getUint32(at + 4, true);
    const extra = EXTRA[(info >>> 24) & 31];
    if (!extra) throw new BtfError(`BTF type ${id} has an unknown kind, ${(info >>> 24) & 31}`);
    starts[id] = at;
    at += 12 + 4 * (extra[0] + extra[1] * (info & 0xffff));
    if (at > types.byteLength) throw truncated();
    count = id;
  }
  starts = starts.subarray(0, count + 1);
  return starts;
}

/** Byte of a BTF section at which each type begins, by its id; that of void means nothing. @throws BtfError */
export function typePlaces(bytes: Uint8Array): Uint32Array {
  const { types } = readHeader(bytes);
  return indexTypes(types).map((start) => types.byteOffset - bytes.byteOffset + start);
}

/**
 * Reads a BTF section, such as the kernel's in /sys/kernel/btf/vmlinux. Types are only indexed; each is decoded when it is asked
 * for. Bit offsets are those of a little-endian machine.
 * @throws BtfError here for a broken frame, and from the result's methods for types that are broken in themselves.
 */
export function parseBtf(bytes: Uint8Array): Btf {
  const { types, strings: stringBytes } = readHeader(bytes);
  const starts = indexTypes(types);
  const count = starts.length - 1;
  const decoded = new Map<number, BtfType>();

  const strings = createStrings(stringBytes);
  const view = { word: (at: number, index: number): number => word(at, index), string: strings.text };

  const start = (id: number): number => {
    const at = id > 0 ? starts[id] : undefined;
    if (at === undefined) throw new BtfError(`BTF has no type ${id}; its types are numbered 1 to ${count}`);
    return at;
  };
  const kindAt = (at: number): number => (types.getUint32(at + 4, true) >>> 24) & 31;
  const word = (at: number, index: number): number => types.getUint32(at + 4 * index, true);

  const type = (id: number): BtfType => {
    let found = decoded.get(id);
    if (!found) {
      found = decodeType(view, start(id));
      decoded.set(id, found);
    }
    return found;
  };

  const resolve = (id: number): number => {
    let at = id;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      if (at === 0) return 0;
      const place = start(at);
      if (!MODIFIERS[kindAt(place)]) return at;
      at = word(place, 2);
    }
    throw new BtfError(`BTF type ${id} refers to itself through its modifiers`);
  };

  const size = (id: number): number => {
    let elements = 1;
    let at = resolve(id);
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      if (at === 0) return 0;
      const place = start(at);
      switch (kindAt(place)) {
        case KIND.array:
          elements *= word(place, 5);
          at = resolve(word(place, 3));
          break;
        case KIND.pointer:
          return bounded(id, elements * POINTER_BYTES);
        case KIND.int:
        case KIND.struct:
        case KIND.union:
        case KIND.enum:
        case KIND.enum64:
        case KIND.float:
        case KIND.datasec:
          return bounded(id, elements * word(place, 2));
        case KIND.var:
          at = resolve(word(place, 2));
          break;
        default:
          return 0;
      }
    }
    throw new BtfError(`BTF type ${id} contains itself`);
  };

  const found = new Map<string, number>();
  const find = (kind: BtfKind, name: string): number | undefined => {
    const key = `${kind} ${name}`;
    const known = found.get(key);
    if (known !== undefined) return known || undefined;
    const matches = strings.matcher(name);
    const wanted = KIND[kind];
    let id = 1;
    while (id <= count && !(kindAt(starts[id] as number) === wanted && matches(word(starts[id] as number, 0)))) id++;
    found.set(key, id <= count ? id : 0);
    return id <= count ? id : undefined;
  };

  const flavoursFound = new Map<string, readonly number[]>();
  const flavours = (name: string): readonly number[] => {
    const essential = essentialName(name);
    let ids = flavoursFound.get(essential);
    if (!ids) {
      const begins = strings.prefixMatcher(essential);
      ids = [];
      for (let id = 1; id <= count; id++) {
        const at = word(starts[id] as number, 0);
        if (begins(at) && essentialName(strings.text(at)) === essential) (ids as number[]).push(id);
      }
      flavoursFound.set(essential, ids);
    }
    return ids;
  };

  const struct = (name: string): number | undefined => {
    const ids = [find('struct', name), find('union', name)].filter((id) => id !== undefined);
    return ids.length > 0 ? Math.min(...ids) : undefined;
  };

  const btf: Btf = {
    count,
    type,
    kind: (id) => KIND_NAMES[kindAt(start(id))] as BtfKind,
    find,
    flavours,
    string: strings.text,
    struct,
    resolve,
    size,
    access: (path) => {
      const followed = followAccess(btf, path);
      return 'access' in followed ? followed.access : undefined;
    },
    pointee: (structId, offset, length) => pointee(btf, structId, offset, length),
  };
  return btf;
}

/** The struct a pointer leads to; undefined for anything else, and for pointers that programs can't follow (`__user`, `__percpu`). */
function pointedStruct(btf: Btf, target: number): number | undefined {
  let id = target;
  for (let depth = 0; depth < MAX_DEPTH && id !== 0; depth++) {
    const type = btf.type(id);
    if (type.kind === 'struct' || type.kind === 'union') return id;
    if (type.kind === 'type_tag' && (type.name === 'user' || type.name === 'percpu')) return undefined;
    if (!('target' in type) || type.kind === 'pointer' || type.kind === 'func') return undefined;
    id = type.target;
  }
  return undefined;
}

/** Walks into embedded structs and arrays as btf_struct_walk in kernel/bpf/btf.c does: the first member that covers the bytes decides. */
function pointee(btf: Btf, structId: number, offset: number, length: number): number | undefined {
  let id = btf.resolve(structId);
  let at = offset;
  for (let depth = 0; depth < MAX_DEPTH && id !== 0; depth++) {
    const type = btf.type(id);
    if (type.kind === 'pointer')
      return at === 0 && length === POINTER_BYTES ? pointedStruct(btf, type.target) : undefined;
    if (type.kind === 'array') {
      const element = btf.size(type.element);
      if (element === 0 || (type.length > 0 && at >= element * type.length)) return undefined;
      at %= element;
      id = btf.resolve(type.element);
    } else if (type.kind === 'struct' || type.kind === 'union') {
      const inside = at;
      const member = type.members.find((m) => {
        const end = m.offset + btf.size(m.type);
        return m.bits === undefined && m.offset <= inside && inside < end;
      });
      if (!member) return undefined;
      at -= member.offset;
      id = btf.resolve(member.type);
    } else return undefined;
  }
  return undefined;
}
