/** BTF kinds by number (include/uapi/linux/btf.h), where they matter here. */
const KIND = { int: 1, array: 3, struct: 4, union: 5, enum: 6, func: 12, funcProto: 13, var: 14, datasec: 15 } as const;
const DECL_TAG = 17;
const ENUM64 = 19;
const GLOBAL = 1;
const EXTERN = 2;
const TYPE_BYTES = 12;

/** Bytes that follow a type's first 12. */
function tailBytes(kind: number, members: number): number {
  switch (kind) {
    case KIND.int:
    case KIND.var:
    case DECL_TAG:
      return 4;
    case KIND.array:
      return 12;
    case KIND.struct:
    case KIND.union:
    case KIND.datasec:
    case ENUM64:
      return 12 * members;
    case KIND.enum:
    case KIND.funcProto:
      return 8 * members;
    default:
      return 0;
  }
}

interface TypeAt {
  readonly at: number;
  readonly kind: number;
  readonly members: number;
}

function* types(view: DataView): Generator<TypeAt> {
  const start = view.getUint32(4, true) + view.getUint32(8, true);
  const end = start + view.getUint32(12, true);
  for (let at = start; at < end; ) {
    const info = view.getUint32(at + 4, true);
    const kind = (info >>> 24) & 0x1f;
    const members = info & 0xffff;
    yield { at, kind, members };
    at += TYPE_BYTES + tailBytes(kind, members);
  }
}

/**
 * An object's BTF as the kernel takes it: a compiler leaves the sizes of sections to the linker, and declares kernel functions as
 * external and without names of parameters, which BPF_BTF_LOAD refuses. Sections become structs of numbers, so that ids stay as they
 * are; parameters get their function's name. The bytes must be BTF that `parseBtf` takes.
 */
export function loadableBtf(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  let id = 0;
  let int: number | undefined;
  const sections: TypeAt[] = [];
  /** Where types lie, by id. */
  const places: TypeAt[] = [{ at: 0, kind: 0, members: 0 }];
  const externs: TypeAt[] = [];
  for (const type of types(view)) {
    id++;
    places.push(type);
    const { at, kind } = type;
    if (kind === KIND.int && view.getUint32(at + 8, true) === 4) int ??= id;
    if (kind === KIND.datasec) sections.push(type);
    if (kind === KIND.func && type.members === EXTERN) externs.push(type);
    if (kind === KIND.var && view.getUint32(at + TYPE_BYTES, true) === EXTERN)
      view.setUint32(at + TYPE_BYTES, GLOBAL, true);
  }
  for (const { at } of externs) {
    view.setUint32(at + 4, ((KIND.func << 24) | GLOBAL) >>> 0, true);
    const proto = places[view.getUint32(at + 8, true)];
    for (let i = 0; proto?.kind === KIND.funcProto && i < proto.members; i++) {
      const parameter = proto.at + TYPE_BYTES + 8 * i;
      if (view.getUint32(parameter, true) === 0) view.setUint32(parameter, view.getUint32(at, true), true);
    }
  }
  for (const { at, members } of sections) {
    view.setUint32(at, 0, true);
    view.setUint32(at + 4, ((KIND.struct << 24) | members) >>> 0, true);
    view.setUint32(at + 8, 4 * members, true);
    for (let i = 0; i < members; i++) {
      const member = at + TYPE_BYTES + 12 * i;
      view.setUint32(member, 0, true);
      view.setUint32(member + 4, int ?? 0, true);
      view.setUint32(member + 8, 32 * i, true);
    }
  }
  return copy;
}

/** Where each text lies in BTF's strings, spaces around it left off: line information refers to source lines so. */
export function stringOffsets(bytes: Uint8Array): ReadonlyMap<string, number> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = view.getUint32(4, true) + view.getUint32(16, true);
  const length = view.getUint32(20, true);
  const offsets = new Map<string, number>();
  const decoder = new TextDecoder();
  for (let at = 0; at < length; ) {
    const rest = bytes.subarray(start + at, start + length);
    const end = rest.indexOf(0);
    const text = decoder.decode(end < 0 ? rest : rest.subarray(0, end)).trim();
    if (!offsets.has(text)) offsets.set(text, at);
    at += (end < 0 ? rest.length : end) + 1;
  }
  return offsets;
}

/** BTF with more texts at the end of its strings, for lines to refer to, and where each one lies. The strings must be its last part. */
export function appendStrings(
  btf: Uint8Array,
  texts: readonly string[],
): { readonly bytes: Uint8Array; readonly offsets: readonly number[] } {
  const view = new DataView(btf.buffer, btf.byteOffset, btf.byteLength);
  const length = view.getUint32(20, true);
  const encoder = new TextEncoder();
  const parts = texts.map((text) => encoder.encode(`${text.replaceAll('\0', ' ')}\0`));
  const offsets: number[] = [];
  let end = length;
  for (const part of parts) {
    offsets.push(end);
    end += part.length;
  }
  const bytes = new Uint8Array(btf.length + end - length);
  bytes.set(btf);
  for (const [index, part] of parts.entries()) bytes.set(part, btf.length - length + (offsets[index] ?? 0));
  new DataView(bytes.buffer).setUint32(20, end, true);
  return { bytes, offsets };
}
