import { type Instruction, parseAssembly } from '../engine/isa/index.ts';
import { loadLinuxProgram, testRun } from '../sensors/index.ts';

const RESULT_BYTES = 8;

/** The longest memory that a program can be run on in the kernel: r0 is stored behind it, where an instruction's offset still reaches. */
export const KERNEL_MEMORY_BYTES = 0x7ff8;

/** A program of plain memory in the running kernel, attached nowhere. */
export interface KernelRun {
  /** Runs it once; returns r0 and leaves the memory as the program left it. @throws BpfError */
  run(memory: Uint8Array): { readonly r0: bigint; readonly memory: Uint8Array };
  /** The verifier's log where one was asked for. */
  readonly log: string;
  close(): void;
}

const resultAt = (length: number): number => (length + 7) & ~7;

/**
 * A program as a function of a syscall program whose context is the memory and then r0: a test run returns 32 bits only, and gives no
 * length in r2. It may nest one call less than on its own.
 */
export const inSyscallProgram = (instructions: readonly Instruction[], length: number): Instruction[] => {
  const { instructions: main } = parseAssembly(`
    r6 = r1
    r2 = ${length}
    call program
    *(u64 *)(r6 +${resultAt(length)}) = r0
    r0 = 0
    exit
  program:
    exit`);
  return [...main.slice(0, -1), ...instructions];
};

/** Loads a program for memory of so many bytes. @throws BpfError where the kernel refuses it */
export const loadForMemory = (instructions: readonly Instruction[], length: number, log?: 'all states'): KernelRun => {
  const program = loadLinuxProgram({
    name: 'memory',
    programType: 'syscall',
    sleepable: true,
    instructions: inSyscallProgram(instructions, length),
    ...(log && { log }),
  });
  return {
    log: program.log,
    run(memory) {
      const context = new Uint8Array(resultAt(length) + RESULT_BYTES);
      context.set(memory);
      const { contextOut } = testRun(program.fd, { contextIn: context });
      const view = new DataView(contextOut.buffer, contextOut.byteOffset);
      return { r0: view.getBigUint64(resultAt(length), true), memory: new Uint8Array(contextOut.subarray(0, length)) };
    },
    close: () => program.close(),
  };
};
