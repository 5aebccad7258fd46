export * from './build.ts';
export * from './disassemble.ts';
export * from './encode.ts';
export * from './instruction.ts';
export * from './opcodes.ts';
