import { codeSlot, type DecodedProgram, REGISTERS } from '../decoded.ts';
import { FRAMES, STACK_BYTES } from '../thread.ts';
import type { Imports } from './code.ts';
import type { FunctionKind, Unit } from './frame.ts';
import { emitFunction } from './function.ts';
import type { HostCall, Plan } from './plan.ts';
import { createWriter, I32, I64, KIND, SECTION, type Writer } from './wasm.ts';

export interface ModuleOptions {
  readonly probeReads: ReadonlySet<number> | undefined;
  readonly checked: boolean;
  readonly maxInstructions: number | undefined;
  readonly plan: Plan;
  /** Offset in memory of the lowest byte of the stack. */
  readonly stack: number;
  /** Whether the program begins a run, or goes on in the place of another's function. */
  readonly kind: FunctionKind;
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
  quick: TYPE.batch,
  kfunc: TYPE.words,
  lookup: TYPE.offset,
  update: TYPE.update,
  delete: TYPE.offset,
};

const ENTRY_TYPES = { main: TYPE.words, batch: TYPE.batch, function: TYPE.function } as const;

const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00] as const;
const BYTES_PER_SLOT = 24;

/**
 * Compiles a program. The module exports `main` or `batch`, and each function that begins at slot n and may be called from outside
 * as its number.
 */
export function compileModule(program: DecodedProgram, options: ModuleOptions): CompiledModule {
  const { plan } = options;
  const { calls } = plan;
  const entry = FIXED_IMPORTS.length + calls.length;
  const isEntered = options.kind !== 'function';
  const firstFunction = entry + (isEntered ? 1 : 0);
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
  if (!isEntered) exported.unshift(0);
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
  if (isEntered) emitFunction(unit, 0, options.kind);
  for (let n = 0; n < slots.length; n++) emitFunction(unit, slots[n]!, 'function');

  const types = [...(isEntered ? [ENTRY_TYPES[options.kind]] : []), ...slots.map(() => TYPE.function)];
  const exports: [string, number][] = isEntered ? [[options.kind, entry]] : [];
  for (const slot of exported) exports.push([String(slot), functionAt(slot)]);
  const { bytes, codeAt } = assembleModule(writer, calls, types, exports);
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
