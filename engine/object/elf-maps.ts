import type { Btf, BtfMember } from './btf.ts';
import { type ElfFile, type ElfSection, type ElfSymbol, SYMBOL_TYPE } from './elf.ts';
import { MAP_TYPE_IDS, type MapType } from './map-types.ts';
import type { MapSpec } from './object.ts';

/** Section of BTF-defined maps. */
export const MAPS_SECTION = '.maps';

/** Maps of an object's .maps section and where each lies in it. */
export interface DefinedMaps {
  readonly maps: readonly MapSpec[];
  /** The map that covers a byte of the section. */
  at(offset: number): string | undefined;
}

interface Definition {
  type: number;
  keySize: number | undefined;
  valueSize: number | undefined;
  maxEntries: number;
  flags: number;
  extra: number;
  pinning: number;
  key: number;
  value: number;
  inner: MapSpec | undefined;
  /** Byte offset of `values`. */
  values: number | undefined;
}

interface Variable {
  readonly name: string;
  readonly offset: number;
  readonly end: number;
  readonly definition: Definition;
}

const POINTER_BYTES = 8;
const R_BPF_64_ABS64 = 2;
const WRITE = 'write for example struct { __uint(type, BPF_MAP_TYPE_HASH); ... } name SEC(".maps");';
const TYPE_NAMES: ReadonlyMap<number, MapType> = new Map(
  Object.entries(MAP_TYPE_IDS).map(([name, id]) => [id, name as MapType]),
);
const SLOTTED: ReadonlySet<MapType> = new Set(['prog_array', 'array_of_maps', 'hash_of_maps']);
/** Types whose creation with BTF ids the kernel refuses; libbpf leaves them out too. */
const WITHOUT_BTF: ReadonlySet<MapType> = new Set([
  'perf_event_array',
  'cgroup_array',
  'stack_trace',
  'prog_array',
  'array_of_maps',
  'hash_of_maps',
]);
/** Largest key, value and number of entries: 32 bits in union bpf_attr. */
const MAX_U32 = 0xffff_ffff;

/** Reads the maps that `.maps` defines by BTF, as parse_btf_map_def of libbpf does. */
export function readMaps(file: ElfFile, btf: Btf | undefined): DefinedMaps {
  const section = file.section(MAPS_SECTION);
  if (!section) {
    if (file.section('maps'))
      throw file.error('section maps', `maps of struct bpf_map_def are no longer read; ${WRITE}`);
    return { maps: [], at: () => undefined };
  }
  if (!btf) throw file.error('section .maps', 'maps are defined by BTF, but there is none; compile with -g');
  const variables = readVariables(file, btf, section);
  const slots = readSlots(file, section, variables);
  const maps = variables.map(({ name, definition }) =>
    toSpec(file, `section .maps, map "${name}"`, name, definition, slots.get(name)),
  );
  return { maps, at: (offset) => variables.find((one) => offset >= one.offset && offset < one.end)?.name };
}

function readVariables(file: ElfFile, btf: Btf, section: ElfSection): Variable[] {
  const symbols = new Map<string, ElfSymbol>();
  for (const symbol of file.symbols)
    if (symbol.section === section.index && symbol.type === SYMBOL_TYPE.object) symbols.set(symbol.name, symbol);
  const id = btf.find('datasec', MAPS_SECTION);
  const data = id === undefined ? undefined : btf.type(id);
  if (data?.kind !== 'datasec') throw file.error('section .maps', 'BTF does not describe it; compile with -g');
  const variables = data.variables.map(({ type }) => {
    const variable = btf.type(type);
    if (variable.kind !== 'var')
      throw file.error('section .maps', `BTF lists type ${type}, a ${variable.kind}, expected a variable`);
    const where = `section .maps, map "${variable.name}"`;
    const symbol = symbols.get(variable.name);
    if (!symbol) throw file.error(where, 'BTF describes it, but there is no such symbol in the section');
    const end = symbol.value + symbol.size;
    if (end > section.size)
      throw file.error(where, `its symbol ends at byte ${end} of a section of ${section.size} bytes`);
    const definition = define(file, where, btf, btf.resolve(variable.target), true);
    return { name: variable.name, offset: symbol.value, end, definition };
  });
  variables.sort((a, b) => a.offset - b.offset);
  for (const [index, one] of variables.entries()) {
    const next = variables[index + 1];
    if (next && next.offset < one.end)
      throw file.error('section .maps', `the maps "${one.name}" and "${next.name}" overlap`);
  }
  return variables;
}

/** The number that `__uint(name, n)` makes, a pointer to an array of n; or `__ulong(name, n)`, an enum with one value. */
function fieldNumber(file: ElfFile, where: string, btf: Btf, { name, type }: BtfMember): number {
  const id = btf.resolve(type);
  const member = id === 0 ? undefined : btf.type(id);
  if (member?.kind === 'enum' && member.values[0]) return Number(member.values[0].value);
  const array = member?.kind === 'pointer' && member.target !== 0 ? btf.type(member.target) : undefined;
  if (array?.kind !== 'array') throw file.error(where, `${name} is no number; write __uint(${name}, N)`);
  return array.length;
}

/** The type that `__type(name, T)` names, through its pointer. */
function fieldType(file: ElfFile, where: string, btf: Btf, { name, type }: BtfMember): number {
  const id = btf.resolve(type);
  const pointer = id === 0 ? undefined : btf.type(id);
  if (pointer?.kind !== 'pointer') throw file.error(where, `${name} is no type; write __type(${name}, T)`);
  return pointer.target;
}

function define(file: ElfFile, where: string, btf: Btf, id: number, outer: boolean): Definition {
  const struct = id === 0 ? undefined : btf.type(id);
  if (struct?.kind !== 'struct') throw file.error(where, `it is no struct; ${WRITE}`);
  const found: Definition = {
    type: 0,
    keySize: undefined,
    valueSize: undefined,
    maxEntries: 0,
    flags: 0,
    extra: 0,
    pinning: 0,
    key: 0,
    value: 0,
    inner: undefined,
    values: undefined,
  };
  const size = (what: 'keySize' | 'valueSize', bytes: number, name: string): void => {
    const known = found[what];
    if (known !== undefined && known !== bytes)
      throw file.error(where, `${name} makes it ${bytes} bytes, but another field says ${known}; leave one out`);
    found[what] = bytes;
  };
  for (const member of struct.members) {
    const { name } = member;
    if (name === 'type') found.type = fieldNumber(file, where, btf, member);
    else if (name === 'max_entries') found.maxEntries = fieldNumber(file, where, btf, member);
    else if (name === 'map_flags') found.flags = fieldNumber(file, where, btf, member);
    else if (name === 'map_extra') found.extra = fieldNumber(file, where, btf, member);
    else if (name === 'numa_node') fieldNumber(file, where, btf, member);
    else if (name === 'key_size') size('keySize', fieldNumber(file, where, btf, member), name);
    else if (name === 'value_size') size('valueSize', fieldNumber(file, where, btf, member), name);
    else if (name === 'key' || name === 'value') {
      const type = fieldType(file, where, btf, member);
      found[name] = type;
      size(name === 'key' ? 'keySize' : 'valueSize', btf.size(type), name);
    } else if (name === 'pinning') {
      found.pinning = fieldNumber(file, where, btf, member);
      if (found.pinning > 1)
        throw file.error(where, `pinning is ${found.pinning}, expected 0 or 1 (LIBBPF_PIN_BY_NAME)`);
    } else if (name === 'values') {
      if (!outer) throw file.error(where, 'an inner map can have no inner maps itself');
      found.values = member.offset;
      size('valueSize', 4, name);
      found.inner = innerOf(file, where, btf, member);
    } else
      throw file.error(
        where,
        `there is no field "${name}"; there are type, key, key_size, value, value_size, max_entries, map_flags, map_extra, numa_node, pinning and values`,
      );
  }
  return found;
}

/** `__array(values, struct {...})`: an array without length of pointers to a map's definition, or to functions in a prog array. */
function innerOf(file: ElfFile, where: string, btf: Btf, member: BtfMember): MapSpec | undefined {
  const arrayId = btf.resolve(member.type);
  const array = arrayId === 0 ? undefined : btf.type(arrayId);
  const elementId = array?.kind === 'array' ? btf.resolve(array.element) : 0;
  const element = elementId === 0 ? undefined : btf.type(elementId);
  if (array?.kind !== 'array' || element?.kind !== 'pointer')
    throw file.error(where, 'values is no array of pointers; write __array(values, struct {...})');
  const target = btf.resolve(element.target);
  if (target === 0 || btf.type(target).kind === 'func_proto') return undefined;
  const inner = `${where}, inner map`;
  return toSpec(file, inner, 'inner', define(file, inner, btf, target, false), undefined);
}

function toSpec(
  file: ElfFile,
  where: string,
  name: string,
  found: Definition,
  slots: readonly (readonly [index: number, name: string])[] | undefined,
): MapSpec {
  if (found.type === 0) throw file.error(where, 'its type is missing; write __uint(type, BPF_MAP_TYPE_...)');
  const type = TYPE_NAMES.get(found.type);
  if (!type)
    throw file.error(where, `type ${found.type} is not known here; there are ${[...TYPE_NAMES.values()].join(', ')}`);
  for (const [what, value] of [
    ['max_entries', found.maxEntries],
    ['map_flags', found.flags],
    ['value_size', found.valueSize ?? 0],
    ['key_size', found.keySize ?? 0],
  ] as const)
    if (value < 0 || value > MAX_U32) throw file.error(where, `${what} is ${value}, expected 0 to ${MAX_U32}`);
  if ((found.values !== undefined) !== SLOTTED.has(type) && (found.values !== undefined || type !== 'prog_array'))
    throw file.error(
      where,
      found.values === undefined
        ? `a map of type ${type} needs to know its inner maps; write __array(values, struct {...})`
        : `a map of type ${type} has no values; they belong to prog_array, array_of_maps and hash_of_maps`,
    );
  if (found.values !== undefined && type !== 'prog_array' && !found.inner)
    throw file.error(where, `values of a map of type ${type} are maps, not functions`);
  return {
    name,
    type,
    keySize: found.keySize ?? (SLOTTED.has(type) ? 4 : 0),
    valueSize: found.valueSize ?? (SLOTTED.has(type) ? 4 : 0),
    maxEntries: found.maxEntries,
    ...(found.flags !== 0 && { flags: found.flags }),
    ...(found.extra !== 0 && { extra: found.extra }),
    ...(found.key !== 0 &&
      found.value !== 0 &&
      !WITHOUT_BTF.has(type) && { btf: { key: found.key, value: found.value } }),
    ...(found.inner && { inner: found.inner }),
    ...(slots && slots.length > 0 && { slots }),
    ...(found.pinning !== 0 && { pinned: true as const }),
  };
}

/** What the initialisers of `values` name, by map: relocations of the section. */
function readSlots(
  file: ElfFile,
  section: ElfSection,
  variables: readonly Variable[],
): ReadonlyMap<string, readonly (readonly [index: number, name: string])[]> {
  const slots = new Map<string, (readonly [number, string])[]>();
  for (const { entry, offset, type, symbol } of file.relocations(section)) {
    const where = `section .rel.maps, entry ${entry}`;
    const map = variables.find((one) => offset >= one.offset && offset < one.end);
    if (!map) throw file.error(where, `byte ${offset} of .maps belongs to no map`);
    const from = map.definition.values;
    const into = from === undefined ? -1 : offset - map.offset - from;
    if (into < 0 || into % POINTER_BYTES !== 0)
      throw file.error(where, `it changes "${map.name}" at byte ${offset - map.offset}, which is no element of values`);
    if (type !== R_BPF_64_ABS64) throw file.error(where, `type ${type}, expected ${R_BPF_64_ABS64} (R_BPF_64_ABS64)`);
    const wantsProgram = map.definition.inner === undefined;
    const name = wantsProgram
      ? symbol.type === SYMBOL_TYPE.func && symbol.section !== 0
        ? symbol.name
        : undefined
      : symbol.section === section.index
        ? variables.find((one) => one.offset === symbol.value && one.name === symbol.name)?.name
        : undefined;
    if (name === undefined)
      throw file.error(
        where,
        `"${symbol.name}" is no ${wantsProgram ? 'program' : 'map'} of this object, but a value of "${map.name}"`,
      );
    const list = slots.get(map.name) ?? [];
    list.push([into / POINTER_BYTES, name]);
    slots.set(map.name, list);
  }
  return slots;
}
