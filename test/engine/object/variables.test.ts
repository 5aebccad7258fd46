import { describe, expect, it } from 'vitest';
import { readElf } from '../../../engine/object/index.ts';
import { clangSkip, compileC } from '../../support/clang.ts';

const skip = clangSkip();

describe.skipIf(skip)(`global variables${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('have their places in the maps of their sections, static ones too', () => {
    const { variables, maps } = readElf(
      compileC(`
        char first = 1;
        long long second = 2;
        static volatile short hidden = 3;
        int zeroes[3];
        const volatile unsigned flag = 0x01020304;
        int program(void *) __attribute__((section("raw_tp/sys_enter"), used));
        int program(void *context) { return first + second + hidden + zeroes[1] + flag; }
      `),
    );
    expect(variables).toEqual([
      { name: 'zeroes', map: '.bss', offset: 0, size: 12 },
      { name: 'first', map: '.data', offset: 0, size: 1 },
      { name: 'second', map: '.data', offset: 8, size: 8 },
      { name: 'hidden', map: '.data', offset: 16, size: 2 },
      { name: 'flag', map: '.rodata', offset: 0, size: 4 },
    ]);
    const value = (name: string) => [...(maps.find((map) => map.name === name)?.contents?.[0]?.[1] ?? [])];
    expect(value('.data')).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0]);
    expect(value('.rodata')).toEqual([4, 3, 2, 1]);
  });
});
