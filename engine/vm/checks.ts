import { BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE, type Instruction, LDDW } from '../isa/index.ts';
import type { BpfMap } from '../maps/index.ts';
import { BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG } from '../object/index.ts';
import type { VmEnvironment } from './environment.ts';
import { Fault } from './fault.ts';
import type { ArgumentType, Helper } from './helper.ts';
import { STACK_BYTES, type Thread } from './thread.ts';

/** What a checked run is told beside the program. */
export interface CheckOptions {
  /** Size of what r1 points to, and whether programs may write there; left out, the `contextLength` of each run, writable. */
  readonly context?: { readonly bytes: number; readonly writable: boolean };
  /** Loads of stack bytes that nothing was written to since the function began are faults too; Linux allows them to privileged programs. */
  readonly uninitialised?: boolean;
  /** Whether the program may read further memory, given as offset and length in bytes. */
  readonly readable?: (offset: number, length: number) => boolean;
}

/** Proves each access of a run against what is allocated to its program at that moment. */
export interface Checks {
  begin(contextLength: bigint | undefined): void;
  /** A function began: its stack is not initialised. */
  enter(): void;
  /** A program whose maps may be used from now on. */
  program(instructions: readonly Instruction[]): void;
  /** `operand` says in a message where the address came from. @throws Fault */
  access(at: number, offset: number, length: number, verb: 'reads' | 'writes', operand: string): void;
  /** What a helper will touch, before it runs. @throws Fault */
  call(at: number, helper: Helper, registers: BigUint64Array): void;
  /** What a helper gave the program; `first` and `second` are what r1 and r2 were. */
  returned(at: number, helper: Helper, first: bigint, second: bigint, result: bigint): void;
  /** @throws Fault where a reference was not released */
  exit(at: number): void;
}

interface Region {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
}

interface Reference {
  readonly what: string;
  readonly at: number;
}

const hex = (n: bigint): string => `0x${n.toString(16)}`;
const count = (n: number): string => `${n} byte${n === 1 ? '' : 's'}`;

export function createChecks(environment: VmEnvironment, thread: Thread, options: CheckOptions): Checks {
  const { memory } = environment;
  const maps = new Map<number, BpfMap>();
  /** Values that helpers gave out, by offset; for messages only. */
  const values = new Map<number, BpfMap>();
  /** Kernel memory that helpers gave out. */
  const lent = new Map<number, { readonly bytes: number; readonly helper: string }>();
  /** Taken and not yet given back, by address. */
  const references = new Map<bigint, Reference>();
  const written = new Uint8Array(8 * STACK_BYTES);
  let context: Region & { readonly writable: boolean } = { name: '', offset: 0, bytes: 0, writable: false };

  const inside = (region: Region, offset: number, length: number): boolean =>
    offset >= region.offset && offset + length <= region.offset + region.bytes;

  const frame = (depth: number): Region => ({
    name: depth === 0 ? 'the stack of the main function' : `the stack of the function at depth ${depth}`,
    offset: thread.frameAt(depth),
    bytes: STACK_BYTES,
  });

  function* regions(): Iterable<Region> {
    for (let depth = thread.depth; depth >= 0; depth--) yield frame(depth);
    if (context.bytes > 0) yield context;
    for (const map of maps.values())
      if (map.valueOffset !== undefined)
        yield { name: `the value of map "${map.spec.name}"`, offset: map.valueOffset, bytes: map.spec.valueSize };
    for (const [offset, map] of values)
      yield { name: `a value of map "${map.spec.name}"`, offset, bytes: map.spec.valueSize };
    for (const [offset, { bytes, helper }] of lent) yield { name: `what ${helper} returned`, offset, bytes };
  }

  const nearest = (offset: number, length: number): string => {
    let found: { region: Region; distance: number } | undefined;
    for (const region of regions()) {
      const before = region.offset - offset;
      const behind = offset + length - (region.offset + region.bytes);
      const distance = Math.max(before, behind);
      if (!found || distance < found.distance) found = { region, distance };
    }
    if (!found) return 'it has no memory at all';
    const { region } = found;
    const place = offset - region.offset;
    const where = place < 0 ? `${-place} before its first` : `${place} behind its first`;
    return `nearest is ${region.name} (${count(region.bytes)}): the access begins ${where}`;
  };

  const stack = (
    at: number,
    depth: number,
    offset: number,
    length: number,
    verb: 'reads' | 'writes',
    operand: string,
  ): void => {
    if (!options.uninitialised) return;
    const from = depth * STACK_BYTES + offset - thread.frameAt(depth);
    if (verb === 'writes') {
      written.fill(1, from, from + length);
      return;
    }
    const missing = written.subarray(from, from + length).indexOf(0);
    if (missing >= 0)
      throw new Fault(at, `reads ${count(length)} of stack at ${operand}, of which byte ${missing} was never written`);
  };

  const fault = (at: number, offset: number, length: number, verb: string, operand: string): Fault =>
    new Fault(
      at,
      `${verb} ${count(length)} at ${operand}, which is not allocated to this program; ${nearest(offset, length)}`,
    );

  const access: Checks['access'] = (at, offset, length, verb, operand) => {
    for (let depth = thread.depth; depth >= 0; depth--) {
      const start = thread.frameAt(depth);
      if (offset >= start && offset + length <= start + STACK_BYTES)
        return stack(at, depth, offset, length, verb, operand);
    }
    if (inside(context, offset, length)) {
      if (verb === 'writes' && !context.writable)
        throw new Fault(at, `writes ${count(length)} at ${operand}, in the context, which is read only`);
      return;
    }
    for (const map of maps.values()) {
      if (!map.contains(offset, length)) continue;
      const forbidden = verb === 'writes' ? BPF_F_RDONLY_PROG : BPF_F_WRONLY_PROG;
      if (((map.spec.flags ?? 0) & forbidden) !== 0)
        throw new Fault(
          at,
          `${verb} ${count(length)} at ${operand}, in a value of map "${map.spec.name}", which is ${verb === 'writes' ? 'read' : 'write'} only for programs`,
        );
      return;
    }
    for (const [start, { bytes }] of lent) if (offset >= start && offset + length <= start + bytes) return;
    const packet = environment.packet?.();
    if (packet && offset >= packet.offset && offset + length <= packet.offset + packet.length) return;
    if (verb === 'reads' && options.readable?.(offset, length)) return;
    throw fault(at, offset, length, verb, operand);
  };

  /** Memory that a helper was handed. */
  const handed = (
    at: number,
    helper: Helper,
    registers: BigUint64Array,
    n: number,
    length: number,
    verb: 'reads' | 'writes',
  ): void => {
    if (length === 0) return;
    const address = registers[n]!;
    const operand = `r${n} = ${hex(address)}`;
    const offset = memory.offset(address, length);
    if (offset === undefined)
      throw new Fault(at, `${helper.name} ${verb} ${count(length)} at ${operand}, where there is no memory`);
    try {
      access(at, offset, length, verb, operand);
    } catch (error) {
      throw error instanceof Fault ? new Fault(at, `${helper.name} ${error.reason}`) : error;
    }
  };

  const release = (at: number, helper: Helper, registers: BigUint64Array, n: number): void => {
    if (!references.delete(registers[n]!))
      throw new Fault(
        at,
        `${helper.name} releases r${n} = ${hex(registers[n]!)}, which this program does not hold a reference to`,
      );
    lent.delete(memory.offset(registers[n]!, 0) ?? 0);
  };

  const checkArgument = (
    at: number,
    helper: Helper,
    registers: BigUint64Array,
    n: number,
    type: ArgumentType,
    map: BpfMap | undefined,
  ): void => {
    if (typeof type === 'object') {
      if ('memory' in type) handed(at, helper, registers, n, type.memory, type.access === 'out' ? 'writes' : 'reads');
      return;
    }
    switch (type) {
      case 'map':
      case 'ringbuf':
        if (!map || !maps.has(map.handle))
          throw new Fault(at, `${helper.name} gets r${n} = ${hex(registers[n]!)}, which is no map of this program`);
        return;
      case 'map_key':
        handed(at, helper, registers, n, map?.spec.keySize ?? 0, 'reads');
        return;
      case 'map_value':
      case 'map_value_or_null':
        if (type === 'map_value' || registers[n] !== 0n)
          handed(at, helper, registers, n, map?.spec.valueSize ?? 0, 'reads');
        return;
      case 'map_value_out':
        handed(at, helper, registers, n, map?.spec.valueSize ?? 0, 'writes');
        return;
      case 'memory':
      case 'memory_out':
      case 'memory_or_null': {
        if (type === 'memory_or_null' && registers[n] === 0n) return;
        const length = registers[n + 1]!;
        if (length > 0x2000_0000n)
          throw new Fault(at, `${helper.name} gets r${n + 1} = ${hex(length)}, which is too large for a size`);
        handed(at, helper, registers, n, Number(length), type === 'memory_out' ? 'writes' : 'reads');
        return;
      }
      case 'constant_string': {
        let length = 1;
        for (let from = memory.offset(registers[n]!, 1); from !== undefined && memory.bytes[from] !== 0; length++)
          from = memory.offset(registers[n]! + BigInt(length), 1);
        handed(at, helper, registers, n, length, 'reads');
        return;
      }
      case 'context':
        if (registers[n] !== thread.context)
          throw new Fault(at, `${helper.name} gets r${n} = ${hex(registers[n]!)}, which is not the context`);
        return;
      case 'record':
        release(at, helper, registers, n);
        return;
    }
  };

  return {
    begin: (contextLength) => {
      const offset = memory.offset(thread.context, 0) ?? 0;
      const bytes = options.context?.bytes ?? Number(contextLength ?? 0n);
      context = { name: 'the context', offset, bytes, writable: options.context?.writable ?? true };
      values.clear();
      lent.clear();
      references.clear();
      written.fill(0);
    },
    enter: () => {
      written.fill(0, thread.depth * STACK_BYTES, (thread.depth + 1) * STACK_BYTES);
    },
    program: (instructions) => {
      for (let at = 0; at < instructions.length; at++) {
        const { opcode, src, imm } = instructions[at]!;
        if (opcode !== LDDW) continue;
        const map = src === BPF_PSEUDO_MAP_FD || src === BPF_PSEUDO_MAP_VALUE ? environment.map(imm) : undefined;
        if (map) maps.set(map.handle, map);
        at++;
      }
    },
    access,
    call: (at, helper, registers) => {
      const map = helper.arguments.some((type) => type === 'map' || type === 'ringbuf')
        ? environment.map(Number(registers[1]!))
        : undefined;
      for (const [index, type] of helper.arguments.entries())
        checkArgument(at, helper, registers, index + 1, type, map);
    },
    returned: (at, helper, first, second, result) => {
      if (result === 0n) return;
      const { returns } = helper;
      const offset = memory.offset(result, 0) ?? 0;
      if (returns === 'map_value_or_null') {
        const map = environment.map(Number(first));
        const inner = map && 'mapAt' in map ? environment.map(Number(result)) : undefined;
        if (inner) maps.set(inner.handle, inner);
        else if (map) values.set(offset, map);
      } else if (returns === 'record_or_null') {
        lent.set(offset, { bytes: Number(second), helper: helper.name });
        references.set(result, { what: 'the ring buffer record reserved', at });
      } else if (typeof returns === 'object' && 'memory' in returns) {
        lent.set(offset, { bytes: returns.memory, helper: helper.name });
      }
    },
    exit: (at) => {
      for (const { what, at: taken } of references.values())
        throw new Fault(at, `the program leaks ${what} at instruction ${taken}`);
    },
  };
}
