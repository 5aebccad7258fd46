import {
  type ElfObject,
  type MapSpec,
  type MapType,
  parseSection,
  relocateProgram,
  withKconfig,
} from '../../engine/object/index.ts';
import { btfIdOf, kernelBtf, type LoadedBtf, loadBtf } from './btf.ts';
import { BpfError } from './error.ts';
import { kernelConfig } from './kconfig.ts';
import { createLinuxMap, type LinuxMap } from './map.ts';
import { loadableBtf, stringOffsets } from './object-btf.ts';
import { type LinuxProgram, type LinuxProgramSpec, loadLinuxProgram } from './program.ts';

/** Maps whose keys and values may be described by BTF, and must be where programs keep locks or storage in them. */
const TYPED: ReadonlySet<MapType> = new Set([
  'hash',
  'array',
  'percpu_hash',
  'percpu_array',
  'lru_hash',
  'lru_percpu_hash',
  'lpm_trie',
  'task_storage',
  'cgrp_storage',
]);
const LINE_WORDS = 4;

/** An object's maps and programs in the running kernel; nothing is attached. */
export interface LinuxObject {
  readonly maps: ReadonlyMap<string, LinuxMap>;
  readonly programs: ReadonlyMap<string, LinuxProgram>;
  close(): void;
}

export interface LoadOptions {
  /** Which programs are loaded; default all that the object doesn't call optional. */
  readonly programs?: readonly string[];
  readonly log?: LinuxProgramSpec['log'];
}

/** struct bpf_line_info for each line whose file and text the BTF has. */
function lineRecords(program: ElfObject['programs'][number], strings: ReadonlyMap<string, number>): Uint8Array {
  const words = program.lines.flatMap(({ at, text, file, line, column }) => {
    const [fileAt, textAt] = [strings.get(file ?? ''), strings.get(text)];
    return fileAt === undefined || textAt === undefined
      ? []
      : [at, fileAt, textAt, (((line ?? 0) << 10) | (column ?? 0)) >>> 0];
  });
  const records = new Uint32Array(words);
  const starts = new Set(Array.from({ length: records.length / LINE_WORDS }, (_, i) => records[LINE_WORDS * i]));
  const complete = program.functions?.every(({ at }) => starts.has(at)) ?? false;
  return complete ? new Uint8Array(records.buffer) : new Uint8Array(0);
}

/** Creates a map with the types of its key and value; without them where the kernel wants others (a trie's key is to be a struct). */
function createTyped(spec: MapSpec, btf: LoadedBtf | undefined): LinuxMap {
  if (!btf || !spec.btf || spec.btf.key === 0 || !TYPED.has(spec.type)) return createLinuxMap(spec);
  try {
    return createLinuxMap(spec, { btf: { fd: btf.fd, ...spec.btf } });
  } catch (error) {
    if (error instanceof BpfError && error.call === 'BPF_MAP_CREATE') return createLinuxMap(spec);
    throw error;
  }
}

function createMaps(object: ElfObject, btf: LoadedBtf | undefined, maps: Map<string, LinuxMap>): void {
  for (const spec of object.maps) {
    const map = createTyped(spec, btf);
    maps.set(spec.name, map);
    if (/^\.(rodata|kconfig)/.test(spec.name)) freeze(map);
  }
  for (const spec of object.maps) if (spec.inner) fillSlots(spec, maps.get(spec.name), (name) => maps.get(name)?.fd);
}

/** What never changes again is constant to the verifier. */
function freeze(map: LinuxMap): void {
  const result = map.freeze();
  if (result !== 0) throw new BpfError('BPF_MAP_FREEZE', -result, `map "${map.spec.name}" (${map.spec.type})`);
}

function fillSlots(spec: MapSpec, map: LinuxMap | undefined, fdOf: (name: string) => number | undefined): void {
  for (const [slot, name] of spec.slots ?? []) {
    const fd = fdOf(name);
    if (fd === undefined || !map) continue;
    const word = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);
    const result = map.update(word(slot), word(fd));
    if (result !== 0)
      throw new BpfError('BPF_MAP_UPDATE_ELEM', -result, `map "${spec.name}" (${spec.type}), "${name}"`);
  }
}

function programSpec(
  object: ElfObject,
  program: ElfObject['programs'][number],
  maps: ReadonlyMap<string, LinuxMap>,
  btf: LoadedBtf | undefined,
  strings: ReadonlyMap<string, number>,
): LinuxProgramSpec {
  const { programType, attachType, sleepable, btf: target } = parseSection(program.hook);
  const id = target && btfIdOf(target.kind, target.name);
  if (target && id === undefined)
    throw new Error(
      `program "${program.name}" (${program.hook}): this kernel's BTF has no ${target.kind} ${target.name}`,
    );
  const { functions = [] } = program;
  return {
    name: program.name,
    instructions: relocateProgram(program, { maps: (name) => maps.get(name)?.fd, btf: kernelBtf(), object })
      .instructions,
    programType,
    license: object.license,
    ...(attachType !== undefined && { attachType }),
    ...(id !== undefined && { attachBtfId: id }),
    ...(sleepable && { sleepable }),
    ...(btf && functions.length > 0 && { btf: { fd: btf.fd, functions, lines: lineRecords(program, strings) } }),
  };
}

/**
 * Loads an object into the running kernel as libbpf does: BTF, maps, variables, what it asks of the kernel's configuration, programs fitted to the kernel's BTF, then the slots of
 * prog arrays. @throws BpfError RelocationError SectionError
 */
export function loadElfLinux(elf: ElfObject, options: LoadOptions = {}): LinuxObject {
  const object = elf.kconfig.length > 0 ? withKconfig(elf, kernelConfig()) : elf;
  const maps = new Map<string, LinuxMap>();
  const programs = new Map<string, LinuxProgram>();
  const btf = object.btfBytes && loadBtf(loadableBtf(object.btfBytes));
  const close = (): void => {
    for (const one of [...programs.values(), ...maps.values()]) one.close();
  };
  try {
    const strings = object.btfBytes ? stringOffsets(object.btfBytes) : new Map<string, number>();
    createMaps(object, btf, maps);
    for (const program of object.programs) {
      if (options.programs ? !options.programs.includes(program.name) : program.optional) continue;
      const spec = programSpec(object, program, maps, btf, strings);
      programs.set(program.name, loadLinuxProgram({ ...spec, ...(options.log && { log: options.log }) }));
    }
    for (const spec of object.maps)
      if (spec.type === 'prog_array') fillSlots(spec, maps.get(spec.name), (name) => programs.get(name)?.fd);
    return { maps, programs, close };
  } catch (error) {
    close();
    throw error;
  } finally {
    btf?.close();
  }
}
