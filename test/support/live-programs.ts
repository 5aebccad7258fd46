import {
  add,
  assemble,
  atomicAdd,
  call,
  exit,
  type Item,
  loadMap,
  loadMapValue,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R10,
  stx,
} from '../../engine/isa/index.ts';
import type { MapSpec, ProgramSpec } from '../../engine/object/index.ts';
import { helperByName } from '../../engine/vm/index.ts';
import type { KernelMap } from '../../sensors/index.ts';

/** BPF_RB_NO_WAKEUP. */
const NO_WAKEUP = 1;

/** Calls a helper by its kernel name. */
export function helper(name: string): Item {
  const found = helperByName(name);
  if (!found) throw new Error(`no helper is called ${name}`);
  return call(found.id);
}

/** A program for a section from assembler items. */
export function programOf(name: string, hook: string, items: readonly Item[]): ProgramSpec<string> {
  const { instructions, relocations, lines } = assemble(items);
  return { name, hook, instructions, relocations, lines };
}

/** A map with one number of 64 bits. */
export const counterSpec = (name = 'count'): MapSpec => ({
  name,
  type: 'array',
  keySize: 4,
  valueSize: 8,
  maxEntries: 1,
});

export const ringSpec = (name: string, maxEntries: number): MapSpec => ({
  name,
  type: 'ringbuf',
  keySize: 0,
  valueSize: 0,
  maxEntries,
});

/** Adds one to a counter and leaves the program. */
export const countAndReturn = (map = 'count', value = 0): readonly Item[] => [
  loadMapValue(R1, map, 0),
  mov(R2, 1),
  atomicAdd('dw', R1, 0, R2),
  mov(R0, value),
  exit(),
];

/** What a counter stands at. */
export function countIn(map: KernelMap): number {
  const value = map.lookup(new Uint8Array(4));
  if (!value) throw new Error(`map ${map.spec.name} has no value`);
  return Number(new DataView(value.buffer).getBigUint64(0, true));
}

/** Sends `tag`, the time since boot and the current process's id as three numbers of 64 bits. */
export const sendTag = (map: string, tag: number): readonly Item[] => [
  mov(R1, tag),
  stx('dw', R10, -24, R1),
  helper('bpf_ktime_get_boot_ns'),
  stx('dw', R10, -16, R0),
  helper('bpf_get_current_pid_tgid'),
  stx('dw', R10, -8, R0),
  loadMap(R1, map),
  mov(R2, R10),
  add(R2, -24),
  mov(R3, 24),
  mov(R4, NO_WAKEUP),
  helper('bpf_ringbuf_output'),
];
