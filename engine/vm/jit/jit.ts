import { codeSlot, type DecodedProgram, decodeProgram, type ExecutableProgram, REGISTERS } from '../decoded.ts';
import type { VmEnvironment } from '../environment.ts';
import { Fault } from '../fault.ts';
import type { Helper, Machine } from '../helper.ts';
import { HelperError } from '../helper-arguments.ts';
import { helperById } from '../helpers.ts';
import { kfuncById } from '../kfuncs.ts';
import { GUARD_BYTES, KERNEL_BASE_HIGH } from '../memory.ts';
import { FRAMES, MAX_TAIL_CALLS, STACK_BYTES } from '../thread.ts';
import { FUEL, LIMIT, REGISTER_FILE } from './control-block.ts';
import { exhaustedAt, faultAt, trapAt } from './faults.ts';
import { type CompiledModule, compileModule, type HostCall } from './module.ts';

/** What a program runs on that no verifier has seen, as the interpreter's. */
const DEFAULT_INSTRUCTIONS = 268_435_456;

export interface JitOptions {
  /** A helper by its id; default all of HELPERS. */
  readonly helper?: (id: number) => Helper | undefined;
  /**
   * Whether each access and each depth of calls is checked as in the interpreter. Default for programs that don't come from the
   * verifier, which are those without `probeReads`. Others are trusted: what a verifier should have refused may then read and write
   * anywhere in the machine's memory, but nowhere else.
   */
  readonly checked?: boolean;
  /** Instructions that one run may execute; counting them takes time. Default 268,435,456 where `checked`, else they are not counted. */
  readonly maxInstructions?: number;
}

/** A program compiled to WebAssembly, ready to run any number of times. */
export interface Jit {
  /** Runs from the first instruction with r1 and r2 set and returns r0, unsigned. @throws Fault */
  run(contextAddress: bigint, contextLength?: bigint): bigint;
  /** As `run` for a context at an offset in memory and with r2 = 0; returns the low 32 bits of r0, signed. @throws Fault */
  run32(contextOffset: number): number;
  /**
   * Runs once for each of `count` contexts that lie `stride` bytes apart from an offset in memory on; writes each r0 as 8 bytes from
   * the offset `results` on where that is given. Returns how many r0 were not 0. @throws Fault of the first run that has one
   */
  runBatch(firstContextOffset: number, stride: number, count: number, results?: number): number;
  /** Bytes of the WebAssembly module. */
  readonly size: number;
  /** Gives the stack's memory back; the program can't run afterwards. */
  close(): void;
}

type FunctionExport = (r1: bigint, r2: bigint, r3: bigint, r4: bigint, r5: bigint, framePointer: number) => bigint;

interface Exports {
  readonly main: (low: number, high: number) => number;
  readonly batch: (first: number, stride: number, count: number, results: number) => number;
  readonly [slot: string]: unknown;
}

/** What the programs of one run share, a tail call being the change from one program to the next on the same stack. */
interface Run {
  contextLow: number;
  contextHigh: number;
  tailCalls: number;
  /** Handle of the program that the helper which just ran asked to go on with. */
  tailCall: number | undefined;
  /** Offset in memory of the first byte above the stack of the function that calls a helper. */
  framePointer: number;
}

/**
 * Compiles a program to WebAssembly. Registers are locals, functions are functions, control flow is structured; the machine's
 * memory is the module's.
 * @throws Error where a wide instruction refers to what the environment does not have
 */
export function createJit(program: ExecutableProgram, environment: VmEnvironment, options: JitOptions = {}): Jit {
  const { memory } = environment;
  const { view } = memory;
  const checked = options.checked ?? program.probeReads === undefined;
  const maxInstructions = options.maxInstructions ?? (checked ? DEFAULT_INSTRUCTIONS : undefined);
  const registers = new BigUint64Array(memory.memory.buffer, REGISTER_FILE, REGISTERS);
  const run: Run = { contextLow: 0, contextHigh: 0, tailCalls: 0, tailCall: undefined, framePointer: 0 };
  const stack = memory.allocate(FRAMES * STACK_BYTES);

  const setLimit = (): void => view.setUint32(LIMIT, memory.used - GUARD_BYTES, true);
  const machineContext = (): bigint =>
    (BigInt.asUintN(32, BigInt(run.contextHigh)) << 32n) | BigInt.asUintN(32, BigInt(run.contextLow));

  /** The programs that tail calls led to so far. */
  const followers = new Map<ExecutableProgram, Instance>();
  const follower = (wanted: ExecutableProgram): Instance => {
    let instance = followers.get(wanted);
    if (!instance) {
      instance = instantiate(wanted, false);
      followers.set(wanted, instance);
    }
    return instance;
  };

  interface Instance {
    readonly exports: Exports;
    readonly module: CompiledModule;
    /** The Fault that an error thrown by compiled code stands for, or that error. */
    faultOf(error: unknown): unknown;
  }

  const instantiate = (wanted: ExecutableProgram, isMain: boolean): Instance => {
    const decoded = decodeProgram(wanted, environment);
    const { probeReads } = wanted;
    const compiled = compileModule(decoded, { probeReads, checked, maxInstructions, stack, isMain });
    const host: Record<string, unknown> = { memory: memory.memory, ...fixedImports(decoded) };
    const caller = helperCaller(decoded, (slot) => exports[String(slot)] as FunctionExport | undefined, faultOf);
    for (const [index, call] of compiled.calls.entries()) host[index] = helperImport(caller, call);
    host.indirect = indirectImport(caller);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(compiled.bytes), { host }) as unknown as {
      exports: Exports;
    };
    function faultOf(error: unknown): unknown {
      if (!(error instanceof WebAssembly.RuntimeError)) return error;
      const [, position] = /wasm-function\[\d+\]:0x([0-9a-f]+)/.exec(error.stack ?? '') ?? [];
      return position === undefined ? error : trapAt(decoded, compiled.slotAt(Number.parseInt(position, 16)));
    }
    return { exports, module: compiled, faultOf };
  };

  const fixedImports = (decoded: DecodedProgram): Record<string, unknown> => ({
    fault: (at: number, address: bigint) => {
      throw faultAt(decoded, at, address);
    },
    exhausted: (start: number, count: number) => {
      throw exhaustedAt(decoded, start, view.getInt32(FUEL, true) + count, maxInstructions ?? 0);
    },
    packet: (index: number, bytes: number) => {
      const packet = environment.packet?.();
      return packet && index >= 0 && index + bytes <= packet.length ? packet.offset + index : -1;
    },
  });

  /** Calls a helper for compiled code; gives 1 where another program took the place of the function that called. */
  type HelperCaller = (helper: Helper, at: number, framePointer: number) => number;

  const helperCaller = (
    { opcode }: DecodedProgram,
    functionOf: (slot: number) => FunctionExport | undefined,
    faultOf: (error: unknown) => unknown,
  ): HelperCaller => {
    const slots = opcode.length - 1;
    const machine: Machine = {
      call: (code, first, second, third, fourth) => {
        const slot = codeSlot(code, slots);
        const called = slot === undefined ? undefined : functionOf(slot);
        if (slot === undefined || called === undefined)
          throw new HelperError('callback', `0x${code.toString(16)} is no function of the program`);
        const framePointer = run.framePointer - STACK_BYTES;
        if (framePointer <= stack) throw new Fault(slot, `calls more than ${FRAMES} functions deep`);
        try {
          return BigInt.asUintN(64, called(first, second, third, fourth, 0n, framePointer));
        } catch (error) {
          throw faultOf(error);
        }
      },
      tailCall: (handle) => {
        if (run.tailCalls < MAX_TAIL_CALLS) run.tailCall = handle;
      },
      get context() {
        return machineContext();
      },
    };
    return (helper, at, framePointer) => {
      const before = run.framePointer;
      run.framePointer = framePointer;
      try {
        registers[0] = helper.run(environment, registers, machine);
      } catch (error) {
        throw error instanceof HelperError ? new Fault(at, error.message) : error;
      } finally {
        run.framePointer = before;
      }
      setLimit();
      if (run.tailCall === undefined) return 0;
      follow(at, run.tailCall, framePointer);
      return 1;
    };
  };

  /** Runs another program in the place of the function that runs now; its r0 is that function's. */
  const follow = (at: number, handle: number, framePointer: number): void => {
    const target = environment.program?.(handle);
    if (!target) throw new Fault(at, `tail-calls program ${handle}, which this machine does not have`);
    run.tailCall = undefined;
    run.tailCalls++;
    const { exports, faultOf } = follower(target);
    try {
      const start = exports['0'] as FunctionExport;
      registers[0] = start(machineContext(), 0n, 0n, 0n, 0n, framePointer);
    } catch (error) {
      throw faultOf(error);
    }
  };

  const helperOf = options.helper ?? helperById;
  const kfuncOf = environment.kfunc ? (id: number) => environment.kfunc?.(id) : kfuncById;

  const helperImport = (caller: HelperCaller, { kind, id }: HostCall) => {
    const called = kind === 'kfunc' ? kfuncOf(id) : helperOf(id);
    if (called) return (at: number, framePointer: number) => caller(called, at, framePointer);
    const what = kind === 'kfunc' ? `kernel function ${id}` : `helper ${id}`;
    return (at: number) => {
      throw new Fault(at, `calls ${what}, which this machine does not have`);
    };
  };

  const indirectImport = (caller: HelperCaller) => (at: number, framePointer: number, wanted: bigint) => {
    const id = Number(BigInt.asUintN(64, wanted));
    const helper = helperOf(id);
    if (!helper) throw new Fault(at, `calls helper ${id}, which this machine does not have`);
    return caller(helper, at, framePointer);
  };

  let instance: Instance;
  try {
    instance = instantiate(program, true);
  } catch (error) {
    memory.free(stack, FRAMES * STACK_BYTES);
    throw error;
  }
  const { main, batch } = instance.exports;
  let running = false;
  let closed = false;

  const begin = (low: number, high: number): void => {
    if (running) throw new Fault(0, 'the program is running already; a machine runs one call at a time');
    if (closed) throw new Fault(0, 'the program was closed and has no stack any more');
    run.contextLow = low;
    run.contextHigh = high;
    run.tailCalls = 0;
    setLimit();
    running = true;
  };

  return {
    run(contextAddress, contextLength) {
      const low = Number(BigInt.asIntN(32, contextAddress));
      const high = Number(BigInt.asIntN(32, contextAddress >> 32n));
      begin(low, high);
      registers[2] = contextLength ?? 0n;
      const fuel = view.getBigInt64(FUEL, true);
      try {
        main(low, high);
      } catch (error) {
        throw instance.faultOf(error);
      } finally {
        running = false;
        view.setBigInt64(FUEL, fuel, true);
      }
      return registers[0]!;
    },
    run32(contextOffset) {
      begin(contextOffset, KERNEL_BASE_HIGH);
      view.setInt32(REGISTER_FILE + 8 * 2, 0, true);
      view.setInt32(REGISTER_FILE + 8 * 2 + 4, 0, true);
      try {
        return main(contextOffset, KERNEL_BASE_HIGH);
      } catch (error) {
        throw instance.faultOf(error);
      } finally {
        running = false;
      }
    },
    runBatch(firstContextOffset, stride, count, results = 0) {
      begin(firstContextOffset, KERNEL_BASE_HIGH);
      registers[2] = 0n;
      try {
        return batch(firstContextOffset, stride, count, results);
      } catch (error) {
        throw instance.faultOf(error);
      } finally {
        running = false;
      }
    },
    size: instance.module.bytes.length,
    close() {
      if (closed) return;
      closed = true;
      memory.free(stack, FRAMES * STACK_BYTES);
    },
  };
}
