import { describe, expect, test } from 'vitest';
import { inSyscallProgram, loadForMemory } from '../../cli/bpf-kernel.ts';
import { decode, encode, type Instruction, parseAssembly } from '../../engine/isa/index.ts';
import { BpfError } from '../../sensors/linux/index.ts';
import { conformanceVectors } from '../support/cases.ts';
import { kernelSkip } from '../support/kernel.ts';
import { rawSlots, ubpfBytes } from '../support/ubpf.ts';
import type { Outcome } from './machines.ts';
import { ownVectors } from './vectors.ts';

function runInLinux(instructions: readonly Instruction[], memory: Uint8Array): Outcome & { readonly log: string } {
  const loaded = loadForMemory(instructions, memory.length, 'all states');
  try {
    return { ...loaded.run(memory), log: loaded.log };
  } finally {
    loaded.close();
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
    const read = encode(parseAssembly(outcome.log).instructions);
    const expected = encode(inSyscallProgram(decode(bytes), memory.length));
    // The longest programs have 300 KB, which toEqual would walk through number by number.
    if (Buffer.compare(read, expected) !== 0) expect(read).toEqual(expected);
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
