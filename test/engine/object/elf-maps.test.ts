import { describe, expect, it } from 'vitest';
import { type MapSpec, readElf } from '../../../engine/object/index.ts';
import { clangSkip, compileC } from '../../support/clang.ts';
import { PRELUDE } from './sources.ts';

const skip = clangSkip();
const maps = (text: string): readonly MapSpec[] => readElf(compileC(PRELUDE + text, { flags: ['-w'] }), 'a.o').maps;
const ULONG = '#define __ulong(name, value) enum { unique_##name = value } name\n';

const message = (text: string): string => {
  try {
    maps(text);
    return 'no error';
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  }
};

describe.skipIf(skip)(`maps that an object defines by BTF${skip ? `: ${skip}` : ''}`, () => {
  it('have the sizes of their types, through typedefs and const', () => {
    const [map] = maps(`typedef const u64 id; struct pair { u8 a; u32 b; };
      struct { __uint(type, 1); __uint(max_entries, 7); __uint(map_flags, 1); __type(key, id); __type(value, struct pair[3]); } m SEC(".maps");`);
    expect(map).toEqual({
      name: 'm',
      type: 'hash',
      keySize: 8,
      valueSize: 24,
      maxEntries: 7,
      flags: 1,
      btf: { key: expect.any(Number), value: expect.any(Number) },
    });
  });

  it('have sizes as numbers, and may have 64-bit fields', () => {
    expect(
      maps(
        `${ULONG} struct { __uint(type, 30); __uint(value_size, 4); __uint(max_entries, 100); __ulong(map_extra, 3); } m SEC(".maps");`,
      ),
    ).toEqual([{ name: 'm', type: 'bloom_filter', keySize: 0, valueSize: 4, maxEntries: 100, extra: 3 }]);
    expect(maps('struct { __uint(type, 27); __uint(max_entries, 1 << 16); } m SEC(".maps");')).toEqual([
      { name: 'm', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 65536 },
    ]);
  });

  it('may ask to be pinned', () => {
    expect(
      maps(
        'struct { __uint(type, 2); __type(key, u32); __type(value, u32); __uint(max_entries, 1); __uint(pinning, 1); } m SEC(".maps");',
      ),
    ).toMatchObject([{ name: 'm', pinned: true }]);
  });

  it('hold maps, by a definition in place or by name, filled in or not', () => {
    const found = maps(`
      struct { __uint(type, 13); __uint(max_entries, 8); __type(key, u64);
        __array(values, struct { __uint(type, 2); __uint(max_entries, 3); __type(key, u32); __type(value, u16); }); } plain SEC(".maps");
      struct inner { __uint(type, 1); __uint(max_entries, 3); __type(key, u32); __type(value, u16); } a SEC(".maps"), b SEC(".maps");
      struct { __uint(type, 12); __uint(max_entries, 8); __uint(key_size, 4); __array(values, struct inner); } filled SEC(".maps") =
        { .values = { [0] = &b, [5] = &a } };`);
    const byName = new Map(found.map((map) => [map.name, map]));
    expect(byName.get('plain')).toEqual({
      name: 'plain',
      type: 'hash_of_maps',
      keySize: 8,
      valueSize: 4,
      maxEntries: 8,
      inner: {
        name: 'inner',
        type: 'array',
        keySize: 4,
        valueSize: 2,
        maxEntries: 3,
        btf: { key: expect.any(Number), value: expect.any(Number) },
      },
    });
    expect(byName.get('filled')?.slots).toEqual([
      [0, 'b'],
      [5, 'a'],
    ]);
  });

  it('hold programs', () => {
    expect(
      maps(`int p(void *c); int q(void *c);
        struct { __uint(type, 3); __uint(max_entries, 8); __uint(key_size, 4); __array(values, int (void *)); } jumps SEC(".maps") =
          { .values = { [1] = (void *)&q, [7] = (void *)&p } };
        SEC("xdp") int p(void *c) { return 0; } SEC("xdp") int q(void *c) { return 1; }`),
    ).toEqual([
      {
        name: 'jumps',
        type: 'prog_array',
        keySize: 4,
        valueSize: 4,
        maxEntries: 8,
        slots: [
          [1, 'q'],
          [7, 'p'],
        ],
      },
    ]);
  });

  it.each([
    ['without a type', '__uint(max_entries, 1);', 'its type is missing; write __uint(type, BPF_MAP_TYPE_...)'],
    [
      'of a type that is not known',
      '__uint(type, 99);',
      /^type 99 is not known here; there are hash, array, prog_array, /,
    ],
    ['with a number that is none', 'u32 *type;', 'type is no number; write __uint(type, N)'],
    ['with a type that is none', '__uint(type, 1); u32 key;', 'key is no type; write __type(key, T)'],
    [
      'with a field that there is not',
      '__uint(type, 1); __uint(colour, 3);',
      'there is no field "colour"; there are type, key, key_size, value, value_size, max_entries, map_flags, map_extra, numa_node, pinning and values',
    ],
    [
      'whose sizes disagree',
      '__uint(type, 1); __type(key, u64); __uint(key_size, 4);',
      'key_size makes it 4 bytes, but another field says 8; leave one out',
    ],
    [
      'pinned in another way',
      '__uint(type, 1); __uint(pinning, 7);',
      'pinning is 7, expected 0 or 1 (LIBBPF_PIN_BY_NAME)',
    ],
    [
      'of maps without saying which',
      '__uint(type, 12); __uint(key_size, 4);',
      'a map of type array_of_maps needs to know its inner maps; write __array(values, struct {...})',
    ],
    [
      'of numbers that holds maps',
      '__uint(type, 1); __array(values, struct { __uint(type, 2); });',
      'a map of type hash has no values; they belong to prog_array, array_of_maps and hash_of_maps',
    ],
    [
      'of maps that holds programs',
      '__uint(type, 12); __array(values, int (void *));',
      'values of a map of type array_of_maps are maps, not functions',
    ],
    [
      'of maps of maps of maps',
      '__uint(type, 12); __array(values, struct { __uint(type, 12); __array(values, struct { __uint(type, 2); }); });',
      'inner map: an inner map can have no inner maps itself',
    ],
    [
      'whose values are no pointers',
      '__uint(type, 12); u32 values[];',
      'values is no array of pointers; write __array(values, struct {...})',
    ],
  ])('%s are refused', (_, definition, expected) => {
    const text = message(`struct { ${definition} } m SEC(".maps");`);
    const prefix = /^ElfError: a\.o: section \.maps, map "m"[:,] /.exec(text)?.[0] ?? 'no such error';
    const problem = text.slice(prefix.length);
    expect(text.startsWith(prefix)).toBe(true);
    if (typeof expected === 'string') expect(problem).toBe(expected);
    else expect(problem).toMatch(expected);
  });

  it('of 8 EiB are refused at once', () => {
    const start = performance.now();
    const huge = '__uint(type, 2); __uint(max_entries, 1); __type(key, u32); typeof(char[1ULL << 60]) *value;';
    const [, problem] = /^ElfError: a\.o: (.*)$/.exec(message(`struct { ${huge} } m SEC(".maps");`)) ?? [];
    expect(problem === undefined || /larger than|expected 0 to/.test(problem)).toBe(true);
    expect(message('struct { __uint(type, 2); typeof(u64[4000000000U]) *value; } m SEC(".maps");')).toMatch(
      /^ElfError: a\.o: section \.BTF: BTF type \d+ is larger than 4 GiB$/,
    );
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
