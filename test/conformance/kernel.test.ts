import { describe, expect, test } from 'vitest';
import { decode, encode, type Instruction, parseAssembly } from '../../engine/isa/index.ts';
import { BpfError, loadLinuxProgram, testRun } from '../../sensors/linux/index.ts';
import { conformanceVectors } from '../support/cases.ts';
import { kernelSkip } from '../support/kernel.ts';
import { rawSlots, ubpfBytes } from '../support/ubpf.ts';
import type { Outcome } from './machines.ts';
import { ownVectors } from './vectors.ts';

/**
 * The program as a function of a syscall program, whose context is the memory and then r0: a test run returns 32 bits only, and
 * knows no r2.
 */
function wrapped(instructions: readonly Instruction[], length: number): Instruction[] {
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
}

const resultAt = (length: number): number => (length + 7) & ~7;

function runInLinux(instructions: readonly Instruction[], memory: Uint8Array): Outcome & { readonly log: string } {
  const program = loadLinuxProgram({
    name: 'conformance',
    programType: 'syscall',
    sleepable: true,
    instructions: wrapped(instructions, memory.length),
    log: 'all states',
  });
  try {
    const context = new Uint8Array(resultAt(memory.length) + 8);
    context.set(memory);
    const { contextOut } = testRun(program.fd, { contextIn: context });
    const view = new DataView(contextOut.buffer, contextOut.byteOffset);
    return {
      r0: view.getBigUint64(resultAt(memory.length), true),
      memory: new Uint8Array(contextOut.subarray(0, memory.length)),
      log: program.log,
    };
  } finally {
    program.close();
  }
}

/** What the kernel says where it refuses a program. */
function refusal(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof BpfError && error.call === 'BPF_PROG_LOAD') return error.log;
    throw error;
  }
  return undefined;
}

const own = ownVectors();
const accepted = own.filter(({ refusedByKernel }) => !refusedByKernel);

describe.skipIf(kernelSkip())('the running kernel', () => {
  test('takes at least 300 of our vectors', () => {
    expect(accepted.length).toBeGreaterThanOrEqual(300);
  });

  test.each(accepted)('gives the same result: $name', ({ bytes, memory, memoryAfter, result }) => {
    const outcome = runInLinux(decode(bytes), memory);
    expect(outcome.r0).toBe(result);
    expect(outcome.memory).toEqual(memoryAfter);
    // Kernels without this table log only what they explore.
    if (!outcome.log.includes('Live regs before insn:')) return;
    expect(encode(parseAssembly(outcome.log).instructions)).toEqual(encode(wrapped(decode(bytes), memory.length)));
  });

  test.each(own.filter(({ refusedByKernel }) => refusedByKernel))(
    'refuses, as the vector says: $name',
    ({ bytes, memory, refusedByKernel }) => {
      expect(refusal(() => runInLinux(decode(bytes), memory))).toMatch(refusedByKernel!);
    },
  );

  const vectors = conformanceVectors() ?? [];
  test.skipIf(vectors.length === 0)('gives the results of the public vectors that it takes', () => {
    const refused: string[] = [];
    for (const { name, asm, raw, memory, result } of vectors) {
      const instructions = decode(raw === undefined ? ubpfBytes(asm ?? '') : rawSlots(raw));
      let outcome: Outcome | undefined;
      if (refusal(() => (outcome = runInLinux(instructions, memory))) === undefined) {
        expect({ name, r0: outcome?.r0 }).toEqual({ name, r0: result });
      } else refused.push(name);
    }
    expect(refused.length).toBeLessThan(vectors.length / 3);
  });
});
