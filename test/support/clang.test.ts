import { describe, expect, it } from 'vitest';
import { clangSkip, compileC } from './clang.ts';

const skip = clangSkip();

describe.skipIf(skip)(`clang compiles for BPF${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('makes an ELF file of machine 247, the same one again', () => {
    const object = compileC('int one(void) { return 1; }');
    expect([...object.subarray(0, 4)]).toEqual([0x7f, 0x45, 0x4c, 0x46]);
    expect(new DataView(object.buffer).getUint16(18, true)).toBe(247);
    expect(compileC('int one(void) { return 1; }')).toEqual(object);
  });

  it('takes the instruction set from its options', () => {
    const text = 'long narrow(long x) { return (signed char)x; }';
    expect(compileC(text, { cpu: 'v4' })).not.toEqual(compileC(text, { cpu: 'v3' }));
  });

  it('shows all that clang says', () => {
    expect(() => compileC('int broken(void) { return missing; }')).toThrow(
      /^clang-19 refuses the text:\n<stdin>:1:27: error: use of undeclared identifier 'missing'\n/,
    );
  });
});
