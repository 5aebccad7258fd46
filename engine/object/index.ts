export * from './btf.ts';
export { BtfError } from './btf-kinds.ts';
export { parseBtf } from './btf-reader.ts';
export { type BtfBuilder, createBtfBuilder } from './btf-writer.ts';
export { defineStructs } from './define-structs.ts';
export * from './hooks.ts';
export { nearest } from './nearest.ts';
export * from './object.ts';
export { RelocationError, relocate } from './relocate.ts';
