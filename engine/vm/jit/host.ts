import { codeSlot, type DecodedProgram, type ExecutableProgram } from '../decoded.ts';
import type { VmEnvironment } from '../environment.ts';
import { Fault } from '../fault.ts';
import type { Helper, Machine } from '../helper.ts';
import { HelperError } from '../helper-arguments.ts';
import { describeHelper } from '../helper-names.ts';
import { kfuncById } from '../kfuncs.ts';
import { GUARD_BYTES } from '../memory.ts';
import { QUICK_HELPERS } from '../quick-helpers.ts';
import { FRAMES, MAX_TAIL_CALLS, STACK_BYTES } from '../thread.ts';
import { FUEL, LIMIT } from './control-block.ts';
import { exhaustedAt, faultAt } from './faults.ts';
import type { HostCall, Plan } from './plan.ts';

/** A function of a program: r1 to r5, and the offset in memory of the first byte above its stack; gives r0, signed. */
export type FunctionExport = (
  r1: bigint,
  r2: bigint,
  r3: bigint,
  r4: bigint,
  r5: bigint,
  framePointer: number,
) => bigint;

/** What the programs of one run share, a tail call being the change from one program to the next on the same stack. */
export interface Run {
  readonly environment: VmEnvironment;
  readonly helperOf: (id: number) => Helper | undefined;
  /** r0 to r10 as helpers take them. */
  readonly registers: BigUint64Array;
  /** Offset in memory of the lowest byte of the stack. */
  readonly stack: number;
  readonly maxInstructions: number | undefined;
  /** r1 at entry, in halves. */
  contextLow: number;
  contextHigh: number;
  tailCalls: number;
  /** Handle of the program that the helper which just ran asked to go on with. */
  tailCall: number | undefined;
  /** Frame pointer of the function that calls a helper, an offset in memory. */
  framePointer: number;
  /** The function that a program begins with, to go on in the place of another's. */
  follower(program: ExecutableProgram): (...args: Parameters<FunctionExport>) => bigint;
}

/** Lets compiled code know what is allocated now. */
export function setLimit({ memory }: VmEnvironment): void {
  memory.view.setUint32(LIMIT, memory.used - GUARD_BYTES, true);
}

const contextOf = ({ contextLow, contextHigh }: Run): bigint =>
  (BigInt.asUintN(32, BigInt(contextHigh)) << 32n) | BigInt.asUintN(32, BigInt(contextLow));

type Words = (...words: number[]) => number;

/**
 * What a module imports.
 * @param functionAt a function that the module exports
 */
export function hostImports(
  program: DecodedProgram,
  plan: Plan,
  run: Run,
  functionAt: (slot: number) => FunctionExport | undefined,
): Record<string, unknown> {
  const { environment } = run;
  const { memory } = environment;
  const call = helperCaller(program, run, functionAt);
  const host: Record<string, unknown> = {
    memory: memory.memory,
    fault: (at: number, address: bigint) => {
      throw faultAt(program, at, address);
    },
    exhausted: (start: number, count: number) => {
      throw exhaustedAt(program, start, memory.view.getInt32(FUEL, true) + count, run.maxInstructions ?? 0);
    },
    packet: (index: number, bytes: number) => {
      const packet = environment.packet?.();
      return packet && index >= 0 && index + bytes <= packet.length ? packet.offset + index : -1;
    },
    indirect: (at: number, framePointer: number, wanted: bigint) => {
      const id = Number(BigInt.asUintN(64, wanted));
      const helper = run.helperOf(id);
      if (!helper) throw new Fault(at, `calls ${describeHelper(id)}, which this machine does not have`);
      return call(helper, at, framePointer);
    },
  };
  for (const [index, each] of plan.calls.entries()) host[index] = hostCall(each, run, call);
  return host;
}

function hostCall({ kind, id }: HostCall, { environment, helperOf, registers }: Run, call: HelperCaller): Words {
  if (kind === 'quick') return QUICK_HELPERS.get(id)!.make(environment, registers)! as Words;
  if (kind === 'helper' || kind === 'kfunc') {
    const kfuncOf = environment.kfunc ? (id: number) => environment.kfunc?.(id) : kfuncById;
    const called = kind === 'kfunc' ? kfuncOf(id) : helperOf(id);
    if (called) return (at, framePointer) => call(called, at!, framePointer!);
    const what = kind === 'kfunc' ? `kernel function ${id}` : describeHelper(id);
    return (at) => {
      throw new Fault(at!, `calls ${what}, which this machine does not have`);
    };
  }
  const map = environment.map(id)!;
  if (kind === 'lookup') return (key) => map.lookupAt(key!);
  if (kind === 'delete') return (key) => map.deleteAt(key!);
  return (key, value, flags) => {
    const result = map.updateAt(key!, value!, flags!);
    setLimit(environment);
    return result;
  };
}

/** Calls a helper for compiled code; gives 1 where another program took the place of the function that called. */
type HelperCaller = (helper: Helper, at: number, framePointer: number) => number;

function helperCaller(
  { opcode }: DecodedProgram,
  run: Run,
  functionAt: (slot: number) => FunctionExport | undefined,
): HelperCaller {
  const { environment, registers } = run;
  const machine: Machine = {
    call: (code, first, second, third, fourth) => {
      const slot = codeSlot(code, opcode.length - 1);
      const called = slot === undefined ? undefined : functionAt(slot);
      if (slot === undefined || called === undefined)
        throw new HelperError('callback', `0x${code.toString(16)} is no function of the program`);
      const framePointer = run.framePointer - STACK_BYTES;
      if (framePointer <= run.stack) throw new Fault(slot, `calls more than ${FRAMES} functions deep`);
      return BigInt.asUintN(64, called(first, second, third, fourth, 0n, framePointer));
    },
    tailCall: (handle) => {
      if (run.tailCalls < MAX_TAIL_CALLS) run.tailCall = handle;
    },
    get context() {
      return contextOf(run);
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
    setLimit(environment);
    if (run.tailCall === undefined) return 0;
    follow(run, at, run.tailCall, framePointer);
    return 1;
  };
}

/** Runs another program in the place of the function that runs now; its r0 is that function's. */
function follow(run: Run, at: number, handle: number, framePointer: number): void {
  const target = run.environment.program?.(handle);
  if (!target) throw new Fault(at, `tail-calls program ${handle}, which this machine does not have`);
  run.tailCall = undefined;
  run.tailCalls++;
  run.registers[0] = run.follower(target)(contextOf(run), 0n, 0n, 0n, 0n, framePointer);
}
