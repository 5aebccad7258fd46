import * as isa from '../../engine/isa/index.ts';
import { assemble, type Instruction, type Item, R0, R1, R2, R3, R4, R6, R7, R8 } from '../../engine/isa/index.ts';
import { type BpfMap, createMap, isPerCpu } from '../../engine/maps/index.ts';
import type { MapSpec } from '../../engine/object/index.ts';
import { createInterpreter, type Memory } from '../../engine/vm/index.ts';
import { createLinuxMap, loadLinuxProgram, testRun, tryLoad } from '../../sensors/linux/index.ts';
import { testEnvironment } from '../support/environment.ts';

/** The one value through which a program is told what to do, and tells what came out. */
const ORDER: MapSpec = { name: 'order', type: 'array', keySize: 4, valueSize: 256, maxEntries: 1 };
const RESULT = 0;
const OPERATION = 8;
const CPU = 12;
const FLAGS = 16;
const KEY = 32;
const VALUE = 96;
const MAX_KEY = VALUE - KEY;
const MAX_VALUE = ORDER.valueSize - VALUE;

const HELPERS = { lookup: 1, update: 2, delete: 3, cpu: 8, push: 87, pop: 88, peek: 89, lookupCpu: 195 } as const;

/** What a program can be told: helper calls, or a lookup whose value is read only after another call. */
export type ProgramOperation =
  | 'lookup'
  | 'update'
  | 'delete'
  | 'lookup, update'
  | 'lookup, delete'
  | 'lookupCpu'
  | 'push'
  | 'pop'
  | 'peek';

const KEYED = ['lookup', 'update', 'delete', 'lookup, update', 'lookup, delete'] as const;

/** What programs can do with maps of a type; nothing where they can't be driven this way. */
export function programOperations({ type, keySize, valueSize }: MapSpec): readonly ProgramOperation[] {
  if (keySize > MAX_KEY || valueSize > MAX_VALUE) return [];
  if (type === 'queue' || type === 'stack') return ['push', 'pop', 'peek'];
  if (type === 'bloom_filter') return ['push', 'peek'];
  if (type.endsWith('_of_maps')) return ['lookup'];
  if (isPerCpu(type)) return [...KEYED, 'lookupCpu'];
  return type === 'array' || type === 'lpm_trie' || type.includes('hash') ? KEYED : [];
}

/** A program that does one operation and stays in the kernel and in our machine. */
export interface MapProgram {
  /** Runs it on both sides, on the CPU that the kernel chose; what helpers returned, and the value where they give one. */
  run(
    operation: ProgramOperation,
    key: Uint8Array,
    value: Uint8Array,
    flags: number,
  ): readonly [Uint8Array, Uint8Array];
  close(): void;
}

/** @param cpu is told the CPU that the program runs on. */
export function createMapProgram(memory: Memory, map: BpfMap, cpu: (current: number) => void): MapProgram | undefined {
  const operations = programOperations(map.spec);
  if (operations.length === 0) return undefined;
  const order = createLinuxMap(ORDER);
  const instructions = programOf(map.spec, operations, map.handle, order.fd);
  const spec = { name: 'map_operation', programType: 'socket_filter', instructions } as const;
  if (tryLoad(spec) < 0) {
    order.close();
    return undefined;
  }
  const program = loadLinuxProgram(spec);
  const ours = createMap(memory, ORDER, order.fd);
  let current = 0;
  const environment = testEnvironment({ memory, currentCpu: () => current }, [map, ours]);
  const interpreter = createInterpreter({ instructions }, environment);
  const index = new Uint8Array(4);
  const packet = new Uint8Array(14);

  return {
    run(operation, key, value, flags) {
      const bytes = new Uint8Array(ORDER.valueSize);
      const view = new DataView(bytes.buffer);
      view.setUint32(OPERATION, operations.indexOf(operation), true);
      view.setBigUint64(FLAGS, BigInt(flags), true);
      bytes.set(key, KEY);
      bytes.set(value.subarray(0, map.spec.valueSize), VALUE);
      for (const side of [order, ours]) side.update(index, bytes);
      testRun(program.fd, { dataIn: packet });
      const its = order.lookup(index) as Uint8Array;
      current = new DataView(its.buffer).getUint32(CPU, true);
      cpu(current);
      interpreter.run(0n);
      return [ours.lookup(index)!, its];
    },
    close() {
      program.close();
      order.close();
      interpreter.close();
      ours.close();
    },
  };
}

/** A wide instruction that refers to a map by its descriptor, of a kind BPF_PSEUDO_MAP_*. */
export const wide = (dst: isa.Register, kind: number, fd: number): Item => {
  const item = isa.lddw(dst, fd);
  if (item.kind !== 'instruction') throw new Error('a wide instruction is one');
  const [first, second] = item.slots as readonly [Instruction, Instruction];
  return { ...item, slots: [{ ...first, src: kind }, second] };
};

/** r6 holds the order, r7 the operation, r8 the value that a lookup found. */
function programOf(
  { valueSize, type }: MapSpec,
  operations: readonly ProgramOperation[],
  map: number,
  order: number,
): Instruction[] {
  const pointTo = (dst: isa.Register, offset: number): Item[] => [isa.mov(dst, R6), isa.add(dst, offset)];
  const helper = (id: number): Item[] => [wide(R1, isa.BPF_PSEUDO_MAP_FD, map), isa.call(id)];
  const flags = (dst: isa.Register): Item => isa.ldx('dw', dst, R6, FLAGS);
  const calls: Readonly<
    Record<Exclude<ProgramOperation, 'lookup' | 'lookup, update' | 'lookup, delete' | 'lookupCpu'>, Item[]>
  > = {
    update: [...pointTo(R2, KEY), ...pointTo(R3, VALUE), flags(R4), ...helper(HELPERS.update)],
    delete: [...pointTo(R2, KEY), ...helper(HELPERS.delete)],
    push: [...pointTo(R2, VALUE), flags(R3), ...helper(HELPERS.push)],
    pop: [...pointTo(R2, VALUE), ...helper(HELPERS.pop)],
    peek: [...pointTo(R2, VALUE), ...helper(HELPERS.peek)],
  };
  const found: Item[] = Array.from({ length: type.endsWith('_of_maps') ? 0 : valueSize }, (_, i) => [
    isa.ldx('b', R1, R8, i),
    isa.stx('b', R6, VALUE + i, R1),
  ]).flat();
  const lookup = (helperCall: Item[], then: Item[]): Item[] => [
    ...pointTo(R2, KEY),
    ...helperCall,
    isa.jeq(R0, 0, 'out'),
    isa.mov(R8, R0),
    isa.mov(R0, 1),
    ...then,
    ...found,
    isa.ja('out'),
  ];
  const code = (operation: ProgramOperation): Item[] => {
    switch (operation) {
      case 'lookup':
        return lookup(helper(HELPERS.lookup), []);
      case 'lookup, update':
        return lookup(helper(HELPERS.lookup), calls.update);
      case 'lookup, delete':
        return lookup(helper(HELPERS.lookup), calls.delete);
      case 'lookupCpu':
        return lookup([flags(R3), ...helper(HELPERS.lookupCpu)], []);
      default:
        return [...calls[operation], isa.ja('out')];
    }
  };
  return assemble([
    wide(R6, isa.BPF_PSEUDO_MAP_VALUE, order),
    isa.call(HELPERS.cpu),
    isa.stx('w', R6, CPU, R0),
    isa.ldx('w', R7, R6, OPERATION),
    ...operations.flatMap((_, n) => [isa.jeq(R7, n, `operation ${n}`)]),
    isa.mov(R0, 0),
    isa.ja('out'),
    ...operations.flatMap((operation, n) => [isa.label(`operation ${n}`), ...code(operation)]),
    isa.label('out'),
    isa.stx('dw', R6, RESULT, R0),
    isa.mov(R0, 0),
    isa.exit(),
  ]).instructions;
}
