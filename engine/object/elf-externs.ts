import type { Btf, BtfType } from './btf.ts';
import { BINDING, type ElfFile } from './elf.ts';
import { BPF_F_RDONLY_PROG } from './map-types.ts';
import type { ElfObject, KconfigVariable, MapSpec } from './object.ts';

/** The map that holds what the kernel's configuration and version are. */
export const KCONFIG_MAP = '.kconfig';

/** A kernel function or variable that the object refers to by name. */
export interface KernelSymbol {
  readonly name: string;
  readonly weak: boolean;
  /** A variable of type void has no type in BTF either: only its address is known, from /proc/kallsyms. */
  readonly kind: 'function' | 'variable' | 'address';
}

/** What an object expects of the kernel by name. */
export interface Externs {
  readonly kconfig: readonly KconfigVariable[];
  readonly symbols: ReadonlyMap<string, KernelSymbol>;
}

const MAX_KCONFIG_BYTES = 0x1_0000;

/** Alignment of a type in bytes, as a C compiler for a 64-bit machine has it. */
function alignment(btf: Btf, id: number): number {
  let type: BtfType = btf.type(btf.resolve(id));
  for (let depth = 0; type.kind === 'array' && depth < 32; depth++) type = btf.type(btf.resolve(type.element));
  return 'size' in type ? Math.min(8, Math.max(1, type.size)) : 8;
}

/** Reads the externs in the BTF sections .kconfig and .ksyms. */
export function readExterns(file: ElfFile, btf: Btf | undefined): Externs {
  const weak = new Map<string, boolean>();
  for (const symbol of file.symbols)
    if (symbol.section === 0 && symbol.name !== '') weak.set(symbol.name, symbol.binding === BINDING.weak);
  const listed = (section: string): { readonly id: number; readonly type: BtfType & { name: string } }[] => {
    const id = btf?.find('datasec', section);
    const data = id === undefined ? undefined : btf?.type(id);
    if (!btf || data?.kind !== 'datasec') return [];
    return data.variables.map(({ type: variable }) => {
      const type = btf.type(variable);
      if (type.kind !== 'var' && type.kind !== 'func')
        throw file.error('section .BTF', `${section} lists type ${variable}, a ${type.kind}; expected a variable`);
      return { id: variable, type };
    });
  };

  const symbols = new Map<string, KernelSymbol>();
  for (const { type } of listed('.ksyms')) {
    const { name } = type;
    const isVoid = type.kind === 'var' && btf?.resolve(type.target) === 0;
    const kind = type.kind === 'func' ? 'function' : isVoid ? 'address' : 'variable';
    symbols.set(name, { name, weak: weak.get(name) ?? false, kind });
  }
  return { kconfig: btf ? layOut(file, btf, weak, listed(KCONFIG_MAP)) : [], symbols };
}

/** Places the variables of .kconfig by alignment, size and name, as libbpf does. */
function layOut(
  file: ElfFile,
  btf: Btf,
  weak: ReadonlyMap<string, boolean>,
  listed: readonly { readonly type: BtfType & { name: string } }[],
): KconfigVariable[] {
  const variables = listed.map(({ type }) => {
    const where = `section .kconfig, variable "${type.name}"`;
    if (type.kind !== 'var') throw file.error(where, 'a function; expected an integer, a bool, an enum or a text');
    const target = btf.type(btf.resolve(type.target));
    if (target.kind !== 'int' && target.kind !== 'enum' && target.kind !== 'array')
      throw file.error(where, `of kind ${target.kind}; expected an integer, a bool, an enum or a text`);
    const size = btf.size(type.target);
    if (size === 0 || size > MAX_KCONFIG_BYTES)
      throw file.error(where, `${size} bytes; expected 1 to ${MAX_KCONFIG_BYTES}`);
    return {
      name: type.name,
      size,
      align: alignment(btf, type.target),
      text: target.kind === 'array',
      signed: 'signed' in target && target.signed,
      weak: weak.get(type.name) ?? false,
    };
  });
  variables.sort((a, b) => b.align - a.align || b.size - a.size || (a.name < b.name ? -1 : 1));
  let end = 0;
  return variables.map(({ align, ...variable }) => {
    const offset = Math.ceil(end / align) * align;
    end = offset + variable.size;
    return { ...variable, offset, known: false };
  });
}

/** The map of the .kconfig variables, all 0; undefined where there are none. */
export function kconfigMap(variables: readonly KconfigVariable[]): MapSpec | undefined {
  if (variables.length === 0) return undefined;
  const size = Math.max(...variables.map(({ offset, size }) => offset + size));
  return {
    name: KCONFIG_MAP,
    type: 'array',
    keySize: 4,
    valueSize: size,
    maxEntries: 1,
    flags: BPF_F_RDONLY_PROG,
    contents: [[new Uint8Array(4), new Uint8Array(size)]],
  };
}

/** enum libbpf_tristate: what `y`, `m` and `n` of a kernel's configuration are. */
const TRISTATE: Readonly<Record<string, bigint>> = { n: 0n, y: 1n, m: 2n };

/**
 * The object with what is known of the kernel's configuration filled in: numbers, `y`, `m`, `n`, or texts by name; LINUX_KERNEL_VERSION
 * is `(major << 16) + (minor << 8) + patch`. Variables that are not named stay unknown.
 * @throws RangeError for a value that doesn't fit its variable
 */
export function withKconfig(object: ElfObject, values: Readonly<Record<string, bigint | number | string>>): ElfObject {
  const map = object.maps.find(({ name }) => name === KCONFIG_MAP);
  if (!map) return object;
  const value = map.contents?.[0]?.[1].slice() ?? new Uint8Array(map.valueSize);
  const kconfig = object.kconfig.map((variable) => {
    if (!Object.hasOwn(values, variable.name)) return variable;
    write(value, variable, values[variable.name] as bigint | number | string);
    return { ...variable, known: true };
  });
  const filled: MapSpec = { ...map, contents: [[new Uint8Array(4), value]] };
  return { ...object, kconfig, maps: object.maps.map((one) => (one === map ? filled : one)) };
}

function write(into: Uint8Array, variable: KconfigVariable, given: bigint | number | string): void {
  const { name, offset, size, text, signed } = variable;
  if (text) {
    const bytes = new TextEncoder().encode(`${given}\0`);
    if (bytes.length > size)
      throw new RangeError(`${name}: a text of ${bytes.length - 1} bytes; there is room for ${size - 1}`);
    into.set(bytes, offset);
    return;
  }
  const number = typeof given === 'string' ? (TRISTATE[given] ?? numberOf(name, given)) : BigInt(given);
  const bits = size * 8;
  if (number !== (signed ? BigInt.asIntN(bits, number) : BigInt.asUintN(bits, number)))
    throw new RangeError(`${name}: ${number} does not fit ${signed ? 'signed' : 'unsigned'} ${bits} bits`);
  for (let i = 0; i < size; i++) into[offset + i] = Number((number >> BigInt(8 * i)) & 0xffn);
}

function numberOf(name: string, text: string): bigint {
  if (!/^-?(0x[\da-f]+|\d+)$/i.test(text))
    throw new RangeError(`${name}: "${text}" is no number, and neither y, m nor n`);
  return text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text);
}
