import { describe, expect, it } from 'vitest';
import { type BtfBuilder, BtfError, checkBtf, createBtfBuilder, parseBtf } from '../../../engine/object/index.ts';
import { GCC_BTF } from './gcc-btf.ts';

const check = (make: (builder: BtfBuilder) => void): void => {
  const builder = createBtfBuilder();
  make(builder);
  checkBtf(parseBtf(builder.bytes()));
};

describe('a check of BTF', () => {
  it('passes what a compiler writes, structs that point to themselves too', () => {
    expect(() => checkBtf(parseBtf(GCC_BTF))).not.toThrow();
    expect(() =>
      check((b) => {
        const list = b.declare('struct', 'list');
        b.define(list, 8, [{ name: 'next', type: b.pointer(list), offset: 0 }]);
      }),
    ).not.toThrow();
  });

  it.each<readonly [string, (builder: BtfBuilder) => void, string]>([
    ['typedef of itself', (b) => b.typedef('t', 1), 'BTF type 1 contains itself'],
    [
      'typedef of a typedef of itself',
      (b) => {
        b.typedef('a', 2);
        b.typedef('b', 1);
      },
      'BTF type 1 contains itself',
    ],
    [
      'struct in itself',
      (b) => {
        const s = b.declare('struct', 's');
        b.define(s, 4, [{ name: 'inner', type: s, offset: 0 }]);
      },
      'BTF type 1 contains itself',
    ],
    [
      'struct in itself through an array and a const',
      (b) => {
        const s = b.declare('struct', 's');
        b.define(s, 4, [{ name: 'inner', type: b.array(b.const(s), 2), offset: 0 }]);
      },
      'BTF type 1 contains itself',
    ],
    ['array of itself', (b) => b.array(2, 2), 'BTF type 2 contains itself'],
    [
      'array of 4 GiB and more',
      (b) => b.array(b.array(b.int('u64', 8), 0xffff_ffff), 2),
      'BTF type 3 is larger than 4 GiB',
    ],
  ])('refuses a %s', (_, make, expected) => {
    expect(() => check(make)).toThrow(new BtfError(expected));
  });

  it('takes no longer for types that double at each level', () => {
    const start = performance.now();
    check((b) => {
      let inner = b.int('int', 4);
      for (let level = 0; level < 60; level++)
        inner = b.struct('', 4, [
          { name: '', type: inner, offset: 0 },
          { name: '', type: inner, offset: 0 },
        ]);
    });
    expect(performance.now() - start).toBeLessThan(500);
  });

  it('names in such types are found or missing as fast', () => {
    const builder = createBtfBuilder();
    let inner = builder.struct('', 4, [{ name: 'deep', type: builder.int('int', 4), offset: 0 }]);
    for (let level = 0; level < 60; level++)
      inner = builder.struct(level === 59 ? 'outer' : '', 4, [
        { name: '', type: inner, offset: 0 },
        { name: '', type: inner, offset: 0 },
      ]);
    const btf = parseBtf(builder.bytes());
    const start = performance.now();
    expect(btf.access('outer.deep')?.offset).toBe(0);
    expect(btf.access('outer.missing')).toBeUndefined();
    expect(performance.now() - start).toBeLessThan(500);
  });
});
