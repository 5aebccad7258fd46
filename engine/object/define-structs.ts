import { BtfError } from './btf-kinds.ts';
import { type BtfMemberSpec, createBtfBuilder } from './btf-writer.ts';

/** Scalar types by name: size in bytes, signed. Sizes are x86-64's. */
const SCALARS: Readonly<Record<string, readonly [size: number, signed: boolean]>> = {
  u8: [1, false],
  u16: [2, false],
  u32: [4, false],
  u64: [8, false],
  s8: [1, true],
  s16: [2, true],
  s32: [4, true],
  s64: [8, true],
  bool: [1, false],
  char: [1, true],
  short: [2, true],
  int: [4, true],
  long: [8, true],
  'unsigned char': [1, false],
  'unsigned short': [2, false],
  'unsigned int': [4, false],
  'unsigned long': [8, false],
};

const POINTER_BYTES = 8;
const MEMBER_TYPE =
  /^\s*(?:(struct|union)\s+)?([A-Za-z_][\w ]*?)\s*((?:\*\s*)*)((?:\[\d+\]\s*)*)(?:@\s*(0x[\da-f]+|\d+))?\s*$/i;
const ANONYMOUS = /^__anon\d*$/;

interface MemberType {
  readonly composite: 'struct' | 'union' | undefined;
  readonly base: string;
  readonly pointers: number;
  readonly lengths: readonly number[];
  readonly offset: number | undefined;
}

interface Layout {
  readonly size: number;
  readonly align: number;
}

function parseMemberType(where: string, text: string): MemberType {
  const match = MEMBER_TYPE.exec(text);
  if (!match)
    throw new BtfError(
      `${where}: can't read the type "${text}"; write for example "u32", "char[16]", "struct file **" or "u64 @8"`,
    );
  const [, composite, base = '', stars = '', brackets = '', offset] = match;
  const name = base.replace(/\s+/g, ' ');
  if (!composite && name !== 'void' && !Object.hasOwn(SCALARS, name))
    throw new BtfError(
      `${where}: there is no type "${name}"; there are ${Object.keys(SCALARS).join(', ')}, void *, struct NAME and union NAME`,
    );
  return {
    composite: composite as MemberType['composite'],
    base: name,
    pointers: stars.replaceAll(/\s/g, '').length,
    lengths: [...brackets.matchAll(/\d+/g)].map(Number),
    offset: offset === undefined ? undefined : Number(offset),
  };
}

const alignUp = (n: number, align: number): number => Math.ceil(n / align) * align;

/**
 * A BTF section with the given structs, laid out as a C compiler for x86-64 does. A name is `task_struct`, or `union sigval` for a
 * union. A member's type is a scalar (`u32`, `char`, `unsigned long`), `struct NAME`, `union NAME` or `void`, then stars, then
 * `[length]`s, then `@offset` where it must lie at a certain byte: `char[16]`, `struct file **`, `u64 @8`. A member named
 * `__anon`, `__anon1`, ... is anonymous. A struct that is only pointed to needs no definition.
 * @throws BtfError naming struct and member.
 */
export function defineStructs(definitions: Readonly<Record<string, Readonly<Record<string, string>>>>): Uint8Array {
  const builder = createBtfBuilder();
  const kinds = new Map<string, 'struct' | 'union'>();
  const bodies = new Map<string, Readonly<Record<string, string>>>();
  for (const [key, members] of Object.entries(definitions)) {
    const [, kind = 'struct', name = ''] = /^(?:(struct|union) )?(\w+)$/.exec(key) ?? [];
    if (name === '') throw new BtfError(`"${key}" is not a name of a struct; write "task_struct" or "union sigval"`);
    if (bodies.has(name)) throw new BtfError(`${name} is defined twice`);
    kinds.set(name, kind as 'struct' | 'union');
    bodies.set(name, members);
  }

  const ids = new Map<string, number>();
  const once = (key: string, make: () => number): number => {
    const id = ids.get(key) ?? make();
    ids.set(key, id);
    return id;
  };
  const baseId = ({ composite, base }: MemberType): number => {
    if (composite) return once(`${composite} ${base}`, () => builder.declare(composite, base));
    const [size, signed] = SCALARS[base] ?? [0, false];
    return base === 'void' ? 0 : once(base, () => builder.int(base, size, signed));
  };
  const typeId = (type: MemberType): number => {
    let id = baseId(type);
    for (let i = 0; i < type.pointers; i++) {
      const target = id;
      id = once(`* ${target}`, () => builder.pointer(target));
    }
    for (const length of type.lengths.toReversed()) {
      const element = id;
      id = once(`[${length}] ${element}`, () => builder.array(element, length));
    }
    return id;
  };

  const layouts = new Map<string, Layout | 'open'>();
  const layoutOf = (where: string, type: MemberType): Layout => {
    const count = type.lengths.reduce((product, length) => product * length, 1);
    if (type.pointers > 0) return { size: POINTER_BYTES * count, align: POINTER_BYTES };
    if (type.base === 'void') throw new BtfError(`${where}: void has no size; write "void *"`);
    const [scalar] = SCALARS[type.base] ?? [];
    if (!type.composite && scalar !== undefined) return { size: scalar * count, align: scalar };
    const inner = define(type.base, where, type.composite);
    return { size: inner.size * count, align: inner.align };
  };

  const define = (name: string, where: string, kindWanted: 'struct' | 'union' | undefined): Layout => {
    const members = bodies.get(name);
    const kind = kinds.get(name);
    if (!members || !kind) throw new BtfError(`${where}: ${kindWanted} ${name} is embedded but not defined`);
    if (kindWanted && kindWanted !== kind) throw new BtfError(`${where}: ${name} is a ${kind}, not a ${kindWanted}`);
    const known = layouts.get(name);
    if (known === 'open') throw new BtfError(`${where}: ${kind} ${name} contains itself`);
    if (known) return known;
    layouts.set(name, 'open');
    const layout = layOut(kind, name, members);
    layouts.set(name, layout);
    return layout;
  };

  const layOut = (kind: 'struct' | 'union', name: string, members: Readonly<Record<string, string>>): Layout => {
    let end = 0;
    let align = 1;
    const specs: BtfMemberSpec[] = [];
    for (const [member, text] of Object.entries(members)) {
      const where = `${kind} ${name}, member ${member}`;
      const type = parseMemberType(where, text);
      const layout = layoutOf(where, type);
      const natural = kind === 'union' ? 0 : alignUp(end, layout.align);
      const offset = type.offset ?? natural;
      if (offset % layout.align !== 0)
        throw new BtfError(`${where}: offset ${offset} is not a multiple of the type's alignment, ${layout.align}`);
      if (kind === 'struct' && offset < natural)
        throw new BtfError(`${where}: offset ${offset} overlaps the member before it, which ends at ${end}`);
      specs.push({ name: ANONYMOUS.test(member) ? '' : member, type: typeId(type), offset });
      end = Math.max(end, offset + layout.size);
      align = Math.max(align, layout.align);
    }
    const size = alignUp(end, align);
    builder.define(
      once(`${kind} ${name}`, () => builder.declare(kind, name)),
      size,
      specs,
    );
    return { size, align };
  };

  for (const name of bodies.keys()) define(name, name, undefined);
  return builder.bytes();
}
