import { type CheckOptions, createChecks } from './checks.ts';
import { type Code, enterCode } from './code.ts';
import { decodeProgram, type ExecutableProgram, REGISTERS } from './decoded.ts';
import type { VmEnvironment } from './environment.ts';
import { callFunction, execute } from './execute.ts';
import { Fault } from './fault.ts';
import type { Helper } from './helper.ts';
import { helperById } from './helpers.ts';
import { kfuncById } from './kfuncs.ts';
import { createThread, MAX_TAIL_CALLS, STACK_BYTES, type Thread } from './thread.ts';

/** The opcode of calls, and their `src` where they call a kernel function. */
const [CALL, BPF_PSEUDO_KFUNC_CALL] = [0x85, 2];

export interface InterpreterOptions {
  /** Instructions that one run may execute; default 268,435,456. */
  readonly maxInstructions?: number;
  /** A helper by its id; default all of HELPERS. */
  readonly helper?: (id: number) => Helper | undefined;
  /**
   * Proves each load, store, atomic operation and helper's memory against what is allocated to the program at that moment, and that
   * references are released at exit: anything else is a Fault. For tests of the verifier; several times slower.
   */
  readonly checked?: boolean | CheckOptions;
}

/** A program, ready to run any number of times. */
export interface Interpreter {
  /** Runs from the first instruction with r1 and r2 set and returns r0, unsigned. @throws Fault */
  run(contextAddress: bigint, contextLength?: bigint): bigint;
  /** Instructions that the last run executed, those of callbacks and of programs behind tail calls included. */
  readonly executed: number;
  /** Gives the stack's memory back; the program can't run afterwards. */
  close(): void;
}

/** The reference machine for RFC 9669. */
export function createInterpreter(
  program: ExecutableProgram,
  environment: VmEnvironment,
  options: InterpreterOptions = {},
): Interpreter {
  const { checked = false } = options;
  const thread = createThread(environment.memory, checked ? STACK_BYTES : 0);
  if (checked) thread.checks = createChecks(environment, thread, checked === true ? {} : checked);
  /** The programs that tail calls led to so far. */
  const programs = new WeakMap<ExecutableProgram, Code>();
  const codeOf = (wanted: ExecutableProgram): Code => {
    const known = programs.get(wanted);
    if (known) return known;
    const code = createCode(wanted, environment, options, thread, codeOf);
    programs.set(wanted, code);
    thread.checks?.program(wanted);
    return code;
  };
  let main: Code;
  try {
    main = codeOf(program);
  } catch (error) {
    thread.free();
    throw error;
  }
  let running = false;
  let closed = false;
  return {
    run(contextAddress, contextLength) {
      if (running) throw new Fault(0, 'the program is running already; a machine runs one call at a time');
      if (closed) throw new Fault(0, 'the program was closed and has no stack any more');
      thread.restart(contextAddress);
      thread.checks?.begin(contextLength);
      enterCode(main, contextLength ?? 0n);
      running = true;
      try {
        const at = execute(main, 0);
        thread.checks?.exit(at);
      } finally {
        running = false;
      }
      return main.R[0]!;
    },
    get executed() {
      return thread.executed;
    },
    close() {
      if (closed) return;
      closed = true;
      thread.free();
    },
  };
}

function createCode(
  program: ExecutableProgram,
  environment: VmEnvironment,
  options: InterpreterOptions,
  thread: Thread,
  codeOf: (program: ExecutableProgram) => Code,
): Code {
  const decoded = decodeProgram(program, environment);
  const { memory } = environment;
  const helperOf = options.helper ?? helperById;
  const kfuncOf = environment.kfunc ? (id: number) => environment.kfunc?.(id) : kfuncById;
  const R = new BigUint64Array(REGISTERS + decoded.constants.length);
  for (const [index, value] of decoded.constants.entries()) R[REGISTERS + index] = value;
  const code: Code = {
    ...decoded,
    ...{ program, environment, memory, view: memory.view, thread, checks: thread.checks, helperOf, codeOf },
    ...{ R, r: new Int32Array(R.buffer), halves: new DataView(R.buffer), registers: R.subarray(0, REGISTERS) },
    called: program.instructions.map(({ opcode, src, imm }) =>
      opcode !== CALL ? undefined : src === BPF_PSEUDO_KFUNC_CALL ? kfuncOf(imm) : helperOf(imm),
    ),
    maxInstructions: options.maxInstructions ?? 268_435_456,
    machine: {
      call: (address, ...args) => callFunction(code, address, args),
      tailCall: (handle) => {
        if (thread.tailCalls < MAX_TAIL_CALLS) thread.tailCall = handle;
      },
      get context() {
        return thread.context;
      },
      ...(thread.checks && { lend: thread.checks.lend }),
    },
  };
  return code;
}
