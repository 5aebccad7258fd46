import { createInterpreter, createJit, type ExecutableProgram, Fault, type JitOptions } from '../../engine/vm/index.ts';
import { testEnvironment } from './environment.ts';

/** r0, or where and why a run ended. */
export type Ending = bigint | { readonly at: number; readonly reason: string };

const ending = (run: () => bigint): Ending => {
  try {
    return run();
  } catch (error) {
    if (error instanceof Fault) return { at: error.at, reason: error.reason };
    throw error;
  }
};

/**
 * Runs a program in the interpreter and in the JIT, each on a memory of its own with the same `context`: how it ended, and what the
 * context was afterwards.
 */
export function runBoth(
  program: ExecutableProgram,
  context: Uint8Array = new Uint8Array(64),
  options: JitOptions & { readonly environment?: typeof testEnvironment } = {},
): Readonly<Record<'interpreter' | 'jit', { readonly ending: Ending; readonly context: Uint8Array }>> {
  const { environment: make = testEnvironment, ...rest } = options;
  const once = (create: typeof createInterpreter | typeof createJit) => {
    const environment = make();
    const { memory } = environment;
    const offset = memory.allocate(context.length);
    memory.bytes.set(context, offset);
    const machine =
      create === createJit
        ? createJit(program, environment, rest)
        : createInterpreter(program, environment, runOptions(rest));
    const ended = ending(() => machine.run(memory.address(offset), BigInt(context.length)));
    return { ending: ended, context: memory.bytes.slice(offset, offset + context.length) };
  };
  return { interpreter: once(createInterpreter), jit: once(createJit) };
}

const runOptions = ({ checked: _, ...rest }: JitOptions): Omit<JitOptions, 'checked'> => rest;
