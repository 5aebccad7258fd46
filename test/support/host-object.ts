import { HOOKS, type HookName, relocateProgram } from '../../engine/object/index.ts';
import type { KernelMap, SimHost } from '../../sensors/index.ts';
import { corpusObject, variableOf, withVariables } from './objects.ts';

/** A C program of test/objects, attached in a simulated host. */
export interface HostObject {
  lookup(map: string, key: Uint8Array): Uint8Array | undefined;
  update(map: string, key: Uint8Array, value: Uint8Array): number;
  records(map: string): readonly Uint8Array[];
  /** A global variable of up to 8 bytes as an unsigned number. */
  number(name: string): bigint;
}

const isHook = (name: string): name is HookName => Object.hasOwn(HOOKS, name);

/** Loads a C program into a simulated host's kernel, fitted to its BTF, and attaches those of its programs that are asked for. */
export function attachObject(
  host: SimHost,
  name: string,
  options: { readonly programs?: readonly string[]; readonly variables?: Readonly<Record<string, number>> } = {},
): HostObject {
  const object = withVariables(corpusObject(name).object, options.variables ?? {});
  const { kernel } = host;
  const maps = new Map<string, KernelMap>(object.maps.map((spec) => [spec.name, kernel.createMap(spec)]));
  for (const program of object.programs) {
    if (options.programs && !options.programs.includes(program.name)) continue;
    const { hook } = program;
    if (!isHook(hook)) throw new Error(`the simulated host has no hook ${hook}`);
    const target = { maps: (map: string) => maps.get(map)?.handle, btf: kernel.btf, object };
    const { instructions } = relocateProgram(program, target);
    kernel.attach(kernel.loadProgram({ ...program, hook, instructions, relocations: [] }, maps));
  }
  const mapOf = (map: string): KernelMap => {
    const found = maps.get(map);
    if (!found) throw new Error(`there is no map ${map}`);
    return found;
  };
  return {
    lookup: (map, key) => mapOf(map).lookup(key),
    update: (map, key, value) => mapOf(map).update(key, value),
    records(map) {
      const records: Uint8Array[] = [];
      kernel.ringBuffer(mapOf(map)).consume((record) => records.push(record.slice()));
      return records;
    },
    number(variable) {
      const { map, offset, size } = variableOf(object, variable);
      const value = mapOf(map).lookup(new Uint8Array(4))!;
      return value.subarray(offset, offset + size).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    },
  };
}
