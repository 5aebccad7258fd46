export { nearest } from '../text/index.ts';
export * from './btf.ts';
export { checkBtf } from './btf-check.ts';
export { encodeBtf } from './btf-encode.ts';
export { BtfError, type BtfKind } from './btf-kinds.ts';
export { parseBtf } from './btf-reader.ts';
export { type BtfBuilder, createBtfBuilder } from './btf-writer.ts';
export { ATTACH_TYPES, type AttachType } from './contexts.ts';
export { describeCore } from './core.ts';
export { defineStructs } from './define-structs.ts';
export { ElfError } from './elf.ts';
export { withKconfig } from './elf-externs.ts';
export * from './hooks.ts';
export * from './map-types.ts';
export * from './object.ts';
export * from './program-types.ts';
export { readElf } from './read-elf.ts';
export {
  type RelocatedProgram,
  RelocationError,
  type RelocationTarget,
  relocate,
  relocateProgram,
} from './relocate.ts';
export { hookOfSection } from './section-hook.ts';
export { type ParsedSection, parseSection, SectionError } from './sections.ts';
