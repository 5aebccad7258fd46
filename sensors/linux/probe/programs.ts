import { BPF_PSEUDO_KFUNC_CALL, type Instruction, parseAssembly } from '../../../engine/isa/index.ts';
import type { LinuxProgramSpec } from '../program.ts';

/** Instructions separated by semicolons. */
export const assembled = (assembly: string): readonly Instruction[] =>
  parseAssembly(assembly.replaceAll(';', '\n')).instructions;

/** `call` with a kernel function's id in the kernel's BTF. */
export const kfuncCall = (id: number): Instruction => ({
  opcode: 0x85,
  dst: 0,
  src: BPF_PSEUDO_KFUNC_CALL,
  offset: 0,
  imm: id,
});

/** A program of type syscall: it may do most, and loads without the kernel's BTF. */
export const syscallProgram = (assembly: string): LinuxProgramSpec => ({
  name: 'probe',
  programType: 'syscall',
  sleepable: true,
  instructions: assembled(assembly),
});
