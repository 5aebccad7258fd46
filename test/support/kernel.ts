import type { Instruction } from '../../engine/isa/index.ts';
import {
  bpfUnavailable,
  type LinuxProgramSpec,
  loadLinuxProgram,
  type TestRun,
  type TestRunOptions,
  testRun,
} from '../../sensors/linux/index.ts';

let printed = false;

/** Why tests against the running kernel can't run here, for `describe.skipIf`; undefined where they can. The reason is printed once. */
export function kernelSkip(): string | undefined {
  const reason = bpfUnavailable();
  if (reason !== undefined && !printed) {
    printed = true;
    console.warn(`skipped: tests against the running kernel: ${reason}`);
  }
  return reason;
}

/** Loads a program, runs it once and closes it. @throws BpfError */
export function runInKernel(
  programType: LinuxProgramSpec['programType'],
  instructions: readonly Instruction[],
  options: TestRunOptions & Omit<LinuxProgramSpec, 'name' | 'programType' | 'instructions'> = {},
): TestRun {
  const { dataIn, dataOutSize, contextIn, contextOutSize, repeat, ...load } = options;
  const program = loadLinuxProgram({ name: 'test', programType, instructions, ...load });
  try {
    return testRun(program.fd, { dataIn, dataOutSize, contextIn, contextOutSize, repeat } as TestRunOptions);
  } finally {
    program.close();
  }
}

/** Runs a program of type `syscall` on a context of up to 65,535 bytes, which it may read and write. @throws BpfError */
export const runSyscallProgram = (
  instructions: readonly Instruction[],
  context: Uint8Array,
): { readonly returnValue: number; readonly context: Uint8Array } => {
  const { returnValue, contextOut } = runInKernel('syscall', instructions, { contextIn: context, sleepable: true });
  return { returnValue, context: contextOut };
};
