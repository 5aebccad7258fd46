import { LDDW } from '../isa/index.ts';
import type { BpfMap } from '../maps/index.ts';
import { BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG } from '../object/index.ts';
import { codeSlot, type ExecutableProgram } from './decoded.ts';
import { type Dynptr, dynptrAt } from './dynptr.ts';
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
  /** Whether it may read and write further memory, such as the value of a socket option. */
  readonly writable?: (offset: number, length: number) => boolean;
}

/** Proves each access of a run against what is allocated to its program at that moment. */
export interface Checks {
  begin(contextLength: bigint | undefined): void;
  /** A function began: its stack is not initialised. */
  enter(): void;
  /** A program whose maps and variables may be used from now on. */
  program(program: ExecutableProgram): void;
  /** `operand` says in a message where the address came from. @throws Fault */
  access(at: number, offset: number, length: number, verb: 'reads' | 'writes', operand: string): void;
  /** What a helper will touch, before it runs. @throws Fault */
  call(at: number, helper: Helper, registers: BigUint64Array): void;
  /** What a helper gave the program; `args` are r0 to r5 as they were before. */
  returned(at: number, helper: Helper, args: BigUint64Array, result: bigint): void;
  /** Memory that callbacks of the helper which runs now may touch. */
  lend(offset: number, bytes: number): void;
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

/** Sizes of struct bpf_dynptr and struct bpf_timer, and the most slots a program may have. */
const [DYNPTR_BYTES, TIMER_BYTES, MAX_SLOTS] = [16, 16, 1_000_000];

const hex = (n: bigint): string => `0x${n.toString(16)}`;
const count = (n: number): string => `${n} byte${n === 1 ? '' : 's'}`;

export function createChecks(environment: VmEnvironment, thread: Thread, options: CheckOptions): Checks {
  const { memory } = environment;
  const maps = new Map<number, BpfMap>();
  /** Values that helpers gave out, by offset; for messages only. */
  const values = new Map<number, BpfMap>();
  /** Kernel memory that helpers gave out. */
  const lent = new Map<number, { readonly bytes: number; readonly helper: string; readonly readOnly?: boolean }>();
  /** What helpers lend to their callbacks, with the depth of the function that called. */
  let lending: { readonly offset: number; readonly bytes: number; readonly depth: number }[] = [];
  /** Kernel variables that the programs name, read only: bytes by offset. */
  const variables = new Map<number, number>();
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
    for (const [start, { bytes, helper, readOnly }] of lent) {
      if (offset < start || offset + length > start + bytes) continue;
      if (verb === 'writes' && readOnly)
        throw new Fault(at, `writes ${count(length)} at ${operand}, in what ${helper} returned, which is read only`);
      return;
    }
    for (const [start, bytes] of variables)
      if (verb === 'reads' && offset >= start && offset + length <= start + bytes) return;
    for (const region of lending)
      if (offset >= region.offset && offset + length <= region.offset + region.bytes) return;
    const packet = environment.packet?.();
    if (packet && offset >= packet.offset && offset + length <= packet.offset + packet.length) return;
    if (options.writable?.(offset, length) || (verb === 'reads' && options.readable?.(offset, length))) return;
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

  const iterator = (
    at: number,
    helper: Helper,
    registers: BigUint64Array,
    n: number,
    { iterator: name, bytes, state }: Extract<ArgumentType, { iterator: string }>,
  ): void => {
    handed(at, helper, registers, n, bytes, state === 'new' ? 'writes' : 'reads');
    const held = references.has(registers[n]!);
    if (state === 'new') references.set(registers[n]!, { what: `the ${name} made`, at });
    else if (!held) throw new Fault(at, `${helper.name} gets r${n} = ${hex(registers[n]!)}, where there is no ${name}`);
    else if (state === 'destroy') references.delete(registers[n]!);
  };

  /** What the dynptr at an address leads to. */
  const dynptrOf = (address: bigint): Dynptr | undefined => {
    const at = memory.offset(address, DYNPTR_BYTES);
    return at === undefined ? undefined : dynptrAt(environment, at);
  };

  /** Ends the reference to a dynptr's record, and the slices of it. */
  const releaseDynptr = (at: number, helper: Helper, registers: BigUint64Array, n: number): void => {
    const dynptr = dynptrOf(registers[n]!);
    if (!dynptr) return;
    if (!references.delete(memory.address(dynptr.data)))
      throw new Fault(at, `${helper.name} releases r${n} = ${hex(registers[n]!)}, which holds no record`);
    for (const offset of lent.keys())
      if (offset >= dynptr.data && offset <= dynptr.data + dynptr.size) lent.delete(offset);
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
      if ('iterator' in type) iterator(at, helper, registers, n, type);
      else if ('releases' in type && type.releases) release(at, helper, registers, n);
      else if ('memory' in type)
        handed(at, helper, registers, n, type.memory, type.access === 'out' ? 'writes' : 'reads');
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
      case 'memory_or_null':
      case 'memory_out_or_null': {
        if (type.endsWith('_or_null') && registers[n] === 0n) return;
        const length = registers[n + 1]!;
        if (length > 0x2000_0000n)
          throw new Fault(at, `${helper.name} gets r${n + 1} = ${hex(length)}, which is too large for a size`);
        handed(at, helper, registers, n, Number(length), type.startsWith('memory_out') ? 'writes' : 'reads');
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
        if (registers[n] !== thread.context && !helper.otherArguments)
          throw new Fault(at, `${helper.name} gets r${n} = ${hex(registers[n]!)}, which is not the context`);
        return;
      case 'record':
        release(at, helper, registers, n);
        return;
      case 'dynptr':
        handed(at, helper, registers, n, DYNPTR_BYTES, 'reads');
        return;
      case 'ringbuf_dynptr':
        handed(at, helper, registers, n, DYNPTR_BYTES, 'reads');
        releaseDynptr(at, helper, registers, n);
        return;
      case 'dynptr_out':
      case 'ringbuf_dynptr_out':
        handed(at, helper, registers, n, DYNPTR_BYTES, 'writes');
        return;
      case 'timer':
        handed(at, helper, registers, n, TIMER_BYTES, 'writes');
        return;
      case 'spin_lock':
        handed(at, helper, registers, n, 4, 'writes');
        return;
      case 'kptr':
        handed(at, helper, registers, n, 8, 'writes');
        return;
      case 'kptr_value':
        if (registers[n] !== 0n && !references.delete(registers[n]!))
          throw new Fault(
            at,
            `${helper.name} stores r${n} = ${hex(registers[n]!)}, which this program does not hold a reference to`,
          );
        return;
      case 'callback':
        if (codeSlot(registers[n]!, MAX_SLOTS) === undefined)
          throw new Fault(at, `${helper.name} gets r${n} = ${hex(registers[n]!)}, which is no function of the program`);
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
      lending = [];
      written.fill(0);
    },
    enter: () => {
      written.fill(0, thread.depth * STACK_BYTES, (thread.depth + 1) * STACK_BYTES);
    },
    program: ({ instructions, maps: byIndex }) => {
      for (let at = 0; at < instructions.length; at++) {
        const { opcode, src, imm } = instructions[at]!;
        if (opcode !== LDDW) continue;
        const handle = { 1: imm, 2: imm, 5: byIndex?.[imm], 6: byIndex?.[imm] }[src];
        const map = handle === undefined ? undefined : environment.map(handle);
        if (map) maps.set(map.handle, map);
        const variable = src === 3 ? environment.variable?.(imm) : undefined;
        const offset = variable && memory.offset(variable.address, variable.bytes);
        if (offset !== undefined) variables.set(offset, variable!.bytes);
        at++;
      }
    },
    access,
    call: (at, helper, registers) => {
      const place = helper.arguments.findIndex((type) => type === 'map' || type === 'ringbuf');
      const map = place < 0 ? undefined : environment.map(Number(registers[place + 1]!));
      for (const [index, type] of helper.arguments.entries())
        checkArgument(at, helper, registers, index + 1, type, map);
    },
    lend: (offset, bytes) => {
      lending.push({ offset, bytes, depth: thread.depth });
    },
    returned: (at, helper, args, result) => {
      lending = lending.filter(({ depth }) => depth < thread.depth);
      const { returns } = helper;
      const reserving = helper.arguments.indexOf('ringbuf_dynptr_out') + 1;
      const record = reserving > 0 ? dynptrOf(args[reserving]!) : undefined;
      if (record) references.set(memory.address(record.data), { what: 'the ring buffer record reserved', at });
      if (result === 0n) return;
      const offset = memory.offset(result, 0) ?? 0;
      const given = (bytes: number, readOnly = false) => lent.set(offset, { bytes, helper: helper.name, readOnly });
      if (returns === 'map_value_or_null') {
        const map = environment.map(Number(args[1]!));
        const inner = map && 'mapAt' in map ? environment.map(Number(result)) : undefined;
        if (inner) maps.set(inner.handle, inner);
        else if (map) values.set(offset, map);
      } else if (returns === 'record_or_null') {
        given(Number(args[2]!));
        references.set(result, { what: 'the ring buffer record reserved', at });
      } else if (returns === 'memory_or_null') {
        given(Number(args[helper.arguments.indexOf('constant_size') + 1]!));
      } else if (returns === 'kptr_or_null') {
        references.set(result, { what: 'the kernel pointer taken', at });
      } else if (typeof returns === 'object') {
        if ('memory' in returns) given(returns.memory, returns.writable !== true);
        else if (returns.acquires) references.set(result, { what: `the ${returns.struct} acquired`, at });
      }
    },
    exit: (at) => {
      for (const { what, at: taken } of references.values())
        throw new Fault(at, `the program leaks ${what} at instruction ${taken}`);
    },
  };
}
