import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Btf, type ElfObject, type GlobalVariable, readElf } from '../../engine/object/index.ts';
import { type CompileOptions, compileC } from './clang.ts';

const FOLDER = fileURLToPath(new URL('../objects', import.meta.url));

/** A C program of test/objects, compiled. */
export interface CorpusObject {
  /** The file's name without `.c`. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly object: ElfObject;
}

/** Names of the C programs in test/objects, sorted. */
export const corpusNames: readonly string[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.c'))
  .map((file) => basename(file, '.c'))
  .sort();

const compiled = new Map<string, CorpusObject>();

/** One C program of test/objects, compiled and read. */
export function corpusObject(name: string, options: CompileOptions = {}): CorpusObject {
  const key = JSON.stringify([name, options]);
  const known = compiled.get(key);
  if (known) return known;
  const bytes = compileC(join(FOLDER, `${name}.c`), options);
  const made: CorpusObject = { name, bytes, object: readElf(bytes, `${name}.o`) };
  compiled.set(key, made);
  return made;
}

/** All of them, compiled on the way. */
export function* corpus(options: CompileOptions = {}): Generator<CorpusObject> {
  for (const name of corpusNames) yield corpusObject(name, options);
}

const kernels = new Map<string, Btf>();

/**
 * BTF of a kernel that exists in tests only: test/objects/kernel/types.c, where everything lies elsewhere than programs think.
 * @param switches what is defined when it is compiled: `STRING_KFUNCS`
 */
export function testKernelBtf(...switches: readonly string[]): Btf {
  const flags = switches.map((name) => `-D${name}`);
  const known = kernels.get(flags.join());
  if (known) return known;
  const { btf } = readElf(compileC(join(FOLDER, 'kernel/types.c'), { flags }), 'types.o');
  if (!btf) throw new Error('test/objects/kernel/types.c was compiled without BTF');
  kernels.set(flags.join(), btf);
  return btf;
}

/** Finds a global variable by its name. @throws Error where there is none */
export function variableOf({ variables }: ElfObject, name: string): GlobalVariable {
  const variable = variables.find((one) => one.name === name);
  if (!variable)
    throw new Error(`the object has no variable ${name}; there are ${variables.map((one) => one.name).join(', ')}`);
  return variable;
}

/** The object with other values for its variables, as a loader sets what is `const volatile` before it loads. */
export function withVariables(object: ElfObject, values: Readonly<Record<string, number | bigint>>): ElfObject {
  const contents = new Map<string, Uint8Array>();
  for (const [name, value] of Object.entries(values)) {
    const { map, offset, size } = variableOf(object, name);
    const spec = object.maps.find((one) => one.name === map)!;
    const bytes = contents.get(map) ?? spec.contents?.[0]?.[1].slice() ?? new Uint8Array(spec.valueSize);
    for (let i = 0; i < size; i++) bytes[offset + i] = Number((BigInt(value) >> BigInt(8 * i)) & 0xffn);
    contents.set(map, bytes);
  }
  const maps = object.maps.map((spec) => {
    const bytes = contents.get(spec.name);
    return bytes ? { ...spec, contents: [[new Uint8Array(4), bytes] as const] } : spec;
  });
  return { ...object, maps };
}
