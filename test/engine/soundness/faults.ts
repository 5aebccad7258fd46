import type { Fault } from '../../support/plant-fault.ts';

const VERIFIER = 'engine/verifier';
const JIT = 'engine/vm/jit';

/** Faults that the suite has to notice, one at a time: what somebody could get wrong in the verifier and in the JIT. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  'memory: eight bytes beyond the end': {
    file: `${VERIFIER}/memory.ts`,
    find: 'checkBounds(span, size, target.spec.valueSize, access',
    replace: 'checkBounds(span, size, target.spec.valueSize + 8, access',
  },
  'refine: the greater side of a comparison is one too small': {
    file: `${VERIFIER}/refine.ts`,
    find: 'const umax = min(rb.umax, ra.umax - strict);',
    replace: 'const umax = min(rb.umax, ra.umax - strict - 1n);',
  },
  'refine: a comparison of 32 bits bounds 64': {
    file: `${VERIFIER}/refine.ts`,
    find: 'width === 64 ? deduce(bits, range, s.low, s.id) : deduce(bits, s.wide, range, s.id)',
    replace: 'deduce(bits, range, width === 64 ? s.low : range, s.id)',
  },
  'range: a mask halves the bound': {
    file: `${VERIFIER}/range.ts`,
    find: 'unsigned(w, 0n, min(a.umax, b.umax));',
    replace: 'unsigned(w, 0n, min(a.umax, b.umax) >> 1n);',
  },
  'checkpoints: a number covers any other': {
    file: `${VERIFIER}/checkpoint.ts`,
    find: "now.kind === 'scalar' && (!exact ||",
    replace: "now.kind === 'scalar' && (exact || !exact ||",
  },
  'memory: a value that may be null may be used': {
    file: `${VERIFIER}/memory.ts`,
    find: 'if (value.orNull) throw',
    replace: 'if (value.orNull && state.frames.length > 8) throw',
  },
  'JIT: a signed shift of 32 bits is unsigned': {
    file: `${JIT}/arithmetic.ts`,
    find: '[WASM.i64_shr_s, WASM.i32_shr_s]',
    replace: '[WASM.i64_shr_s, WASM.i32_shr_u]',
  },
  'JIT: division has no sign': {
    file: `${JIT}/arithmetic.ts`,
    find: 'const signed = program.offset[at] === 1;',
    replace: 'const signed = program.offset[at] === 2;',
  },
  'JIT: results of 32 bits are sign-extended': {
    file: `${JIT}/operands.ts`,
    find: `  code.writer.byte(WASM.i64_extend_i32_u);
  setRegister`,
    replace: `  code.writer.byte(WASM.i64_extend_i32_s);
  setRegister`,
  },
  'JIT: signed loads of a byte are unsigned': {
    file: `${JIT}/access.ts`,
    find: '[0x91, WASM.i64_load8_s]',
    replace: '[0x91, WASM.i64_load8_u]',
  },
  'JIT: a signed comparison is unsigned': {
    file: `${JIT}/conditions.ts`,
    find: '[0x60, [WASM.i64_gt_s, WASM.i64_le_s]]',
    replace: '[0x60, [WASM.i64_gt_u, WASM.i64_le_u]]',
  },
  'JIT: an atomic operation fetches what it wrote': {
    file: `${JIT}/atomics.ts`,
    find: `  writer.get(wide);
  setRegister(code, operation`,
    replace: `  writer.get(word);
  load();
  setRegister(code, operation`,
  },
};
