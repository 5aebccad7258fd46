import { codeSlot, type DecodedProgram, REGISTERS } from '../decoded.ts';
import { KERNEL_BASE_HIGH } from '../memory.ts';
import { FRAMES, STACK_BYTES } from '../thread.ts';
import type { Imports } from './code.ts';
import { REGISTER_FILE } from './control-block.ts';
import { emitFunction, type Unit } from './function.ts';
import type { HostCall, Plan } from './plan.ts';
import { createWriter, I32, I64, KIND, SECTION, VOID, WASM, type Writer } from './wasm.ts';

export interface ModuleOptions {
  readonly probeReads: ReadonlySet<number> | undefined;
  readonly checked: boolean;
  readonly maxInstructions: number | undefined;
  readonly plan: Plan;
  /** Offset in memory of the lowest byte of the stack. */
  readonly stack: number;
  /** Whether the program begins a run, or goes on in the place of another's function. */
  readonly isMain: boolean;
}

/** A program as a WebAssembly module, and where each instruction went. */
export interface CompiledModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Whether it ever calls the host, or looks at what is allocated. */
  readonly callsHost: boolean;
  /** The slot whose code has a byte of the module. */
  slotAt(position: number): number;
}

const FUNC = 0x60;
/** Index of each signature in the type section. */
const TYPE = { words: 0, function: 1, batch: 2, fault: 3, exhausted: 4, indirect: 5, offset: 6, update: 7 } as const;
const TYPES: readonly (readonly [parameters: readonly number[], results: readonly number[]])[] = [
  [[I32, I32], [I32]],
  [[I64, I64, I64, I64, I64, I32], [I64]],
  [[I32, I32, I32, I32], [I32]],
  [[I32, I64], []],
  [[I32, I32], []],
  [[I32, I32, I64], [I32]],
  [[I32], [I32]],
  [[I32, I32, I32], [I32]],
];
/** What a module imports before its helpers. */
const FIXED_IMPORTS = [
  ['fault', TYPE.fault],
  ['exhausted', TYPE.exhausted],
  ['packet', TYPE.words],
  ['indirect', TYPE.indirect],
] as const;

const IMPORTS: Imports = { fault: 0, exhausted: 1, packet: 2, indirect: 3, host: FIXED_IMPORTS.length };
const HOST_TYPES: Readonly<Record<HostCall['kind'], number>> = {
  helper: TYPE.words,
  kfunc: TYPE.words,
  lookup: TYPE.offset,
  update: TYPE.update,
  delete: TYPE.offset,
};

const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00] as const;
const BYTES_PER_SLOT = 24;

/**
 * Compiles a program. The module exports `main` (the halves of r1; gives the low half of r0) and `batch`, and each function that
 * begins at slot n and may be called from outside as its number.
 */
export function compileModule(program: DecodedProgram, options: ModuleOptions): CompiledModule {
  const { plan } = options;
  const { calls } = plan;
  const firstFunction = FIXED_IMPORTS.length + calls.length + (options.isMain ? 2 : 0);
  const slots: number[] = [];
  const indices = new Map<number, number>();
  const functionAt = (slot: number): number => {
    let index = indices.get(slot);
    if (index === undefined) {
      index = firstFunction + slots.length;
      slots.push(slot);
      indices.set(slot, index);
    }
    return index;
  };
  const exported = callbackSlots(program);
  if (!options.isMain) exported.unshift(0);
  for (const slot of exported) functionAt(slot);

  const writer = createWriter(1024 + program.opcode.length * BYTES_PER_SLOT);
  const placeSlots: number[] = [];
  const positions: number[] = [];
  const unit: Unit = {
    writer,
    program,
    probeReads: options.probeReads,
    imports: IMPORTS,
    plan,
    checked: options.checked,
    maxInstructions: options.maxInstructions,
    stackBottom: options.stack,
    stackTop: options.stack + FRAMES * STACK_BYTES,
    functionAt,
    place: (slot, position) => {
      placeSlots.push(slot);
      positions.push(position);
    },
  };
  if (options.isMain) {
    emitFunction(unit, 0, true);
    emitBatch(writer, firstFunction - 2);
  }
  for (let n = 0; n < slots.length; n++) emitFunction(unit, slots[n]!, false);

  const types = options.isMain ? [TYPE.words, TYPE.batch] : [];
  const exports: [string, number][] = options.isMain
    ? [
        ['main', firstFunction - 2],
        ['batch', firstFunction - 1],
      ]
    : [];
  for (const slot of exported) exports.push([String(slot), functionAt(slot)]);
  const { bytes, codeAt } = assembleModule(writer, calls, [...types, ...slots.map(() => TYPE.function)], exports);
  return {
    bytes,
    callsHost: options.checked || calls.length > 0 || needsHost(program) || (options.probeReads?.size ?? 0) > 0,
    slotAt: (position) => {
      let found = placeSlots[0] ?? 0;
      for (let n = 0; n < positions.length && positions[n]! + codeAt <= position; n++) found = placeSlots[n]!;
      return found;
    },
  };
}

/** Whether there are calls by register or packet loads, which no plan lists. */
const needsHost = ({ opcode }: DecodedProgram): boolean =>
  opcode.some((op) => op === 0x8d || ((op & 7) === 0 && op !== 0 && op !== 0x18));

/** Where the functions begin whose addresses the program has: helpers may call them. */
function callbackSlots({ opcode, src, constants }: DecodedProgram): number[] {
  const slots = new Set<number>();
  for (let at = 0; at < opcode.length; at++) {
    if (opcode[at] !== 0x18) continue;
    const slot = codeSlot(constants[(src[at]! >> 1) - REGISTERS]!, opcode.length - 1);
    if (slot !== undefined) slots.add(slot);
    at++;
  }
  slots.delete(0);
  return [...slots];
}

/** Runs the main function for contexts in a row: first offset, stride, count, where each r0 goes or 0; gives how many r0 were not 0. */
function emitBatch(writer: Writer, main: number): void {
  const [context, stride, count, results, passed] = [0, 1, 2, 3, 4];
  const body = writer.open();
  writer.unsigned(1);
  writer.unsigned(1);
  writer.byte(I32);
  writer.byte(WASM.block);
  writer.byte(VOID);
  writer.byte(WASM.loop);
  writer.byte(VOID);
  writer.get(count);
  writer.byte(WASM.i32_eqz);
  writer.byte(WASM.br_if);
  writer.unsigned(1);
  writer.get(context);
  writer.i32(KERNEL_BASE_HIGH);
  writer.byte(WASM.call);
  writer.unsigned(main);
  writer.byte(WASM.drop);
  writer.get(passed);
  writer.i32(0);
  writer.access(WASM.i64_load, REGISTER_FILE);
  writer.byte(WASM.i64_eqz);
  writer.byte(WASM.i32_eqz);
  writer.byte(WASM.i32_add);
  writer.set(passed);
  writer.get(results);
  writer.byte(WASM.if);
  writer.byte(VOID);
  writer.get(results);
  writer.i32(0);
  writer.access(WASM.i64_load, REGISTER_FILE);
  writer.access(WASM.i64_store, 0);
  writer.get(results);
  writer.i32(8);
  writer.byte(WASM.i32_add);
  writer.set(results);
  writer.byte(WASM.end);
  writer.get(context);
  writer.get(stride);
  writer.byte(WASM.i32_add);
  writer.set(context);
  writer.get(count);
  writer.i32(1);
  writer.byte(WASM.i32_sub);
  writer.set(count);
  writer.byte(WASM.br);
  writer.unsigned(0);
  writer.byte(WASM.end);
  writer.byte(WASM.end);
  writer.get(passed);
  writer.byte(WASM.end);
  writer.close(body);
}

/** Puts the sections around the bodies (section 5.5); `codeAt` is where the first body begins. */
function assembleModule(
  bodies: Writer,
  calls: readonly HostCall[],
  functions: readonly number[],
  exports: readonly (readonly [name: string, index: number])[],
): { bytes: Uint8Array<ArrayBuffer>; codeAt: number } {
  const writer = createWriter(bodies.size + 1024);
  const section = (id: number, count: number, entries: () => void): void => {
    writer.byte(id);
    const place = writer.open();
    writer.unsigned(count);
    entries();
    writer.close(place);
  };
  for (const each of MAGIC) writer.byte(each);
  section(SECTION.type, TYPES.length, () => {
    for (const signature of TYPES) {
      writer.byte(FUNC);
      for (const values of signature) {
        writer.unsigned(values.length);
        for (const value of values) writer.byte(value);
      }
    }
  });
  section(SECTION.import, 1 + FIXED_IMPORTS.length + calls.length, () => {
    const entry = (name: string, kind: number): void => {
      writer.name('host');
      writer.name(name);
      writer.byte(kind);
    };
    entry('memory', KIND.memory);
    writer.byte(0);
    writer.unsigned(1);
    for (const [name, type] of FIXED_IMPORTS) {
      entry(name, KIND.function);
      writer.unsigned(type);
    }
    for (const [index, { kind }] of calls.entries()) {
      entry(String(index), KIND.function);
      writer.unsigned(HOST_TYPES[kind]);
    }
  });
  section(SECTION.function, functions.length, () => {
    for (const type of functions) writer.unsigned(type);
  });
  section(SECTION.export, exports.length, () => {
    for (const [name, index] of exports) {
      writer.name(name);
      writer.byte(KIND.function);
      writer.unsigned(index);
    }
  });
  let codeAt = 0;
  section(SECTION.code, functions.length, () => {
    codeAt = writer.size;
    writer.append(bodies.bytes());
  });
  return { bytes: writer.bytes(), codeAt };
}
