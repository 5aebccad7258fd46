import {
  createInterpreter,
  createJit,
  type ExecutableProgram,
  type Interpreter,
  type Jit,
  type VmEnvironment,
} from '../../../engine/vm/index.ts';

/** What runs programs; `tiered` interprets until a program ran often enough that compiling it pays. */
export type Engine = 'interpreter' | 'jit' | 'tiered';

/** Runs by the interpreter that take about as long as compiling the program does. */
const RUNS_BEFORE_JIT = 64;

/** A verified program, ready to run. */
export interface Runner {
  /** Runs with a context at an offset in memory; gives the low 32 bits of r0, signed. @throws Fault */
  run(contextOffset: number): number;
  /** Gives its memory back; it can't run any more. */
  close(): void;
}

/** Makes a program ready to run. The compiled one takes over the interpreter's stack, so that memory looks the same either way. */
export function createRunner(program: ExecutableProgram, environment: VmEnvironment, engine: Engine): Runner {
  let interpreter: Interpreter | undefined = engine === 'jit' ? undefined : createInterpreter(program, environment);
  let jit: Jit | undefined = engine === 'jit' ? createJit(program, environment) : undefined;
  let runs = 0;
  return {
    run: (contextOffset) => {
      if (interpreter && runs++ === RUNS_BEFORE_JIT && engine === 'tiered') {
        interpreter.close();
        interpreter = undefined;
      }
      if (interpreter) return Number(BigInt.asIntN(32, interpreter.run(environment.memory.address(contextOffset))));
      jit ??= createJit(program, environment);
      return jit.run32(contextOffset);
    },
    close: () => {
      interpreter?.close();
      jit?.close();
    },
  };
}
