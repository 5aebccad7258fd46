import { BPF_PSEUDO_KFUNC_CALL, type Instruction, parseAssembly } from '../../../engine/isa/index.ts';
import type { LinuxProgramSpec } from '../program.ts';

/** `call` with a kernel function's id in the kernel's BTF. */
const kfuncCall = (id: number): Instruction => ({
  opcode: 0x85,
  dst: 0,
  src: BPF_PSEUDO_KFUNC_CALL,
  offset: 0,
  imm: id,
});

/** A program of type syscall: it takes the kernel functions that all types may call, and loads without the kernel's BTF. */
export const syscallProgram = (assembly: string, kfunc?: number): LinuxProgramSpec => ({
  name: 'probe',
  programType: 'syscall',
  sleepable: true,
  instructions: assembly
    .split(';')
    .flatMap((line) => (line.trim() === 'kfunc' ? [kfuncCall(kfunc ?? 0)] : parseAssembly(line.trim()).instructions)),
});
