import { decodeProgram, type ExecutableProgram, REGISTERS } from '../decoded.ts';
import type { VmEnvironment } from '../environment.ts';
import { Fault } from '../fault.ts';
import type { Helper } from '../helper.ts';
import { helperById } from '../helpers.ts';
import { KERNEL_BASE_HIGH } from '../memory.ts';
import { FRAMES, STACK_BYTES } from '../thread.ts';
import { FUEL, REGISTER_FILE } from './control-block.ts';
import { trapAt } from './faults.ts';
import type { FunctionKind } from './frame.ts';
import { type FunctionExport, hostImports, type Run, setLimit } from './host.ts';
import { compileModule } from './module.ts';
import { planCalls } from './plan.ts';

/** What a program runs on that no verifier has seen, as the interpreter's. */
const DEFAULT_INSTRUCTIONS = 268_435_456;

const RUNNING = 'the program is running already; a machine runs one call at a time';
const CLOSED = 'the program was closed and has no stack any more';

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

/** A module of one of the run's programs. */
interface Instance {
  readonly exports: Readonly<Record<string, unknown>>;
  /** Bytes of the module. */
  readonly size: number;
  /** Whether it never calls the host. */
  readonly isPure: boolean;
  functionAt(slot: number): FunctionExport | undefined;
  /** The Fault that an error thrown by compiled code stands for, or that error. */
  faultOf(error: unknown): unknown;
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
  const stack = memory.allocate(FRAMES * STACK_BYTES);

  const instantiate = (wanted: ExecutableProgram, kind: FunctionKind): Instance => {
    const decoded = decodeProgram(wanted, environment);
    const inlines = (id: number): boolean => !checked && run.helperOf(id) === helperById(id);
    const plan = planCalls(decoded, environment, inlines);
    const { probeReads } = wanted;
    const module = compileModule(decoded, { probeReads, checked, maxInstructions, plan, stack, kind });
    const faultOf = (error: unknown): unknown => {
      if (!(error instanceof WebAssembly.RuntimeError)) return error;
      const [, position] = /wasm-function\[\d+\]:0x([0-9a-f]+)/.exec(error.stack ?? '') ?? [];
      return position === undefined ? error : trapAt(decoded, module.slotAt(Number.parseInt(position, 16)));
    };
    const functionAt = (slot: number): FunctionExport | undefined => {
      const called = exports[String(slot)] as FunctionExport | undefined;
      return (
        called &&
        ((...args) => {
          try {
            return called(...args);
          } catch (error) {
            throw faultOf(error);
          }
        })
      );
    };
    const host = hostImports(decoded, plan, run, functionAt);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.bytes), { host });
    return { exports, size: module.bytes.length, isPure: !module.callsHost, functionAt, faultOf };
  };

  /** The programs that tail calls led to so far. */
  const followers = new WeakMap<ExecutableProgram, FunctionExport>();
  const run: Run = {
    environment,
    helperOf: options.helper ?? helperById,
    registers: new BigUint64Array(memory.memory.buffer, REGISTER_FILE, REGISTERS),
    stack,
    maxInstructions,
    contextLow: 0,
    contextHigh: 0,
    tailCalls: 0,
    tailCall: undefined,
    framePointer: 0,
    follower: (wanted) => {
      let follower = followers.get(wanted);
      if (!follower) {
        follower = instantiate(wanted, 'function').functionAt(0)!;
        followers.set(wanted, follower);
      }
      return follower;
    },
  };

  let instance: Instance;
  try {
    instance = instantiate(program, 'main');
  } catch (error) {
    memory.free(stack, FRAMES * STACK_BYTES);
    throw error;
  }
  const main = instance.exports.main as (low: number, high: number) => number;
  const { isPure, size } = instance;
  /** Made when it is wanted first. */
  let batch: Instance | undefined;
  /** Why the program can't run now. */
  let refusal: string | undefined;
  /** What a run around this one, of another program on the same memory, may still execute. */
  let outerFuel = 0n;

  const begin = (low: number, high: number): void => {
    if (refusal !== undefined) throw new Fault(0, refusal);
    if (maxInstructions !== undefined) outerFuel = view.getBigInt64(FUEL, true);
    if (isPure) return;
    refusal = RUNNING;
    run.contextLow = low;
    run.contextHigh = high;
    run.tailCalls = 0;
    run.tailCall = undefined;
    setLimit(environment);
  };
  const end = (): void => {
    if (maxInstructions !== undefined) view.setBigInt64(FUEL, outerFuel, true);
    if (refusal === RUNNING) refusal = undefined;
  };
  const failed = (error: unknown, failing: Instance): unknown => {
    end();
    return failing.faultOf(error);
  };

  return {
    run(contextAddress, contextLength = 0n) {
      const low = Number(BigInt.asIntN(32, contextAddress));
      const high = Number(BigInt.asIntN(32, contextAddress >> 32n));
      begin(low, high);
      run.registers[2] = contextLength;
      try {
        main(low, high);
      } catch (error) {
        throw failed(error, instance);
      } finally {
        run.registers[2] = 0n;
      }
      end();
      return run.registers[0]!;
    },
    run32(contextOffset) {
      begin(contextOffset, KERNEL_BASE_HIGH);
      let result: number;
      try {
        result = main(contextOffset, KERNEL_BASE_HIGH);
      } catch (error) {
        throw failed(error, instance);
      }
      end();
      return result;
    },
    runBatch(firstContextOffset, stride, count, results = 0) {
      batch ??= instantiate(program, 'batch');
      begin(firstContextOffset, KERNEL_BASE_HIGH);
      const runAll = batch.exports.batch as (...words: readonly number[]) => number;
      let passed: number;
      try {
        passed = runAll(firstContextOffset, stride, count, results);
      } catch (error) {
        throw failed(error, batch);
      }
      end();
      return passed;
    },
    size,
    close() {
      if (refusal === CLOSED) return;
      refusal = CLOSED;
      memory.free(stack, FRAMES * STACK_BYTES);
    },
  };
}
