export * from './build.ts';
export * from './disassemble.ts';
export * from './encode.ts';
export * from './instruction.ts';
export type { AssemblyIssue } from './instruction-text.ts';
export * from './opcodes.ts';
export * from './parse.ts';
export * from './reserved.ts';
