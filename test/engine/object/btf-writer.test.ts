import { describe, expect, it } from 'vitest';
import {
  type Btf,
  type BtfBuilder,
  BtfError,
  type BtfType,
  createBtfBuilder,
  encodeBtf,
  parseBtf,
} from '../../../engine/object/index.ts';
import { loadBtf } from '../../../sensors/linux/index.ts';
import { clangSkip } from '../../support/clang.ts';
import { kernelSkip } from '../../support/kernel.ts';
import { corpus } from '../../support/objects.ts';
import { GCC_BTF } from './gcc-btf.ts';

const built = (make: (builder: BtfBuilder) => number) => {
  const builder = createBtfBuilder();
  const id = make(builder);
  return parseBtf(builder.bytes()).type(id);
};

describe('BTF builder', () => {
  it('writes a header and types as Documentation/bpf/btf.rst draws them', () => {
    const builder = createBtfBuilder();
    builder.int('int', 4, true);
    const bytes = builder.bytes();
    const words = (start: number, end: number) => [...new Uint32Array(bytes.slice(start, end).buffer)];
    expect([...bytes.subarray(0, 4)]).toEqual([0x9f, 0xeb, 1, 0]);
    expect(words(4, 24)).toEqual([24, 0, 16, 16, 5]);
    expect(words(24, 40)).toEqual([1, 1 << 24, 4, (1 << 24) | 32]);
    expect(new TextDecoder().decode(bytes.subarray(40))).toBe('\0int\0');
  });

  it('round-trips every kind', () => {
    expect(built((b) => b.int('u8', 1))).toEqual({ kind: 'int', name: 'u8', size: 1, signed: false });
    expect(built((b) => b.int('s64', 8, true))).toEqual({ kind: 'int', name: 's64', size: 8, signed: true });
    expect(built((b) => b.pointer(0))).toEqual({ kind: 'pointer', target: 0 });
    expect(built((b) => b.array(b.int('u8', 1), 16))).toEqual({ kind: 'array', element: 1, index: 2, length: 16 });
    expect(built((b) => b.forward('union', 'u'))).toEqual({ kind: 'forward', name: 'u', of: 'union' });
    expect(built((b) => b.typedef('t', b.int('u8', 1)))).toEqual({ kind: 'typedef', name: 't', target: 1 });
    expect(built((b) => b.const(0))).toEqual({ kind: 'const', name: '', target: 0 });
    expect(built((b) => b.volatile(0))).toEqual({ kind: 'volatile', name: '', target: 0 });
    expect(built((b) => b.restrict(0))).toEqual({ kind: 'restrict', name: '', target: 0 });
    expect(built((b) => b.typeTag('user', 0))).toEqual({ kind: 'type_tag', name: 'user', target: 0 });
    expect(built((b) => b.float('double', 8))).toEqual({ kind: 'float', name: 'double', size: 8 });
    const u8Variable = { kind: 'var', name: 'v', target: 1 };
    expect(built((b) => b.variable('v', b.int('u8', 1)))).toEqual({ ...u8Variable, linkage: 'static' });
    expect(built((b) => b.variable('v', b.int('u8', 1), 'extern'))).toEqual({ ...u8Variable, linkage: 'extern' });
    const tag = { kind: 'decl_tag', name: 'tag', target: 1 };
    expect(built((b) => b.declarationTag('tag', b.int('u8', 1)))).toEqual({ ...tag, component: -1 });
    expect(built((b) => b.declarationTag('tag', b.int('u8', 1), 2))).toEqual({ ...tag, component: 2 });
    const section = built((b) => b.dataSection('.bss', 4, [{ type: b.int('u32', 4), offset: 0, size: 4 }]));
    expect(section).toEqual({
      kind: 'datasec',
      name: '.bss',
      size: 4,
      variables: [{ type: 1, offset: 0, size: 4 }],
    });
    const proto = (b: BtfBuilder) => b.funcProto(0, [{ name: 'x', type: b.int('u8', 1) }]);
    expect(built(proto)).toEqual({ kind: 'func_proto', returns: 0, parameters: [{ name: 'x', type: 1 }] });
    expect(built((b) => b.func('f', proto(b)))).toEqual({ kind: 'func', name: 'f', target: 2, linkage: 'static' });
    expect(built((b) => b.func('f', proto(b), 'global'))).toMatchObject({ linkage: 'global' });
    expect(built((b) => b.enum('e', 4, { A: 1, B: 0xffff_ffff }))).toMatchObject({
      values: [
        { name: 'A', value: 1n },
        { name: 'B', value: 0xffff_ffffn },
      ],
    });
    expect(built((b) => b.enum('e', 4, { A: -1, B: 1 }))).toMatchObject({
      values: [
        { name: 'A', value: -1n },
        { name: 'B', value: 1n },
      ],
    });
    expect(built((b) => b.enum64('e', { A: 1n << 40n, B: -(1n << 40n) }))).toMatchObject({
      kind: 'enum',
      size: 8,
      values: [
        { name: 'A', value: 1n << 40n },
        { name: 'B', value: -(1n << 40n) },
      ],
    });
    expect(built((b) => b.enum64('e', { A: (1n << 64n) - 1n }))).toMatchObject({
      values: [{ name: 'A', value: (1n << 64n) - 1n }],
    });
    const struct = built((b) => {
      const u32 = b.int('u32', 4);
      return b.struct('s', 8, [
        { name: 'a', type: u32, offset: 0 },
        { name: 'flags', type: u32, offset: 35, bits: 5 },
      ]);
    });
    expect(struct).toEqual({
      kind: 'struct',
      name: 's',
      size: 8,
      members: [
        { name: 'a', type: 1, offset: 0 },
        { name: 'flags', type: 1, offset: 4, bits: { offset: 35, size: 5 } },
      ],
    });
  });

  it('lets structs point to each other, and writes what was only declared as forward', () => {
    const builder = createBtfBuilder();
    const a = builder.declare('struct', 'a');
    const b = builder.declare('struct', 'b');
    const c = builder.declare('union', 'c');
    builder.define(a, 8, [{ name: 'b', type: builder.pointer(b), offset: 0 }]);
    builder.define(b, 8, [{ name: 'a', type: builder.pointer(a), offset: 0 }]);
    const btf = parseBtf(builder.bytes());
    expect(btf.pointee(a, 0, 8)).toBe(b);
    expect(btf.pointee(b, 0, 8)).toBe(a);
    expect(btf.type(c)).toEqual({ kind: 'forward', name: 'c', of: 'union' });
  });

  it('refuses what can not be written', () => {
    const builder = createBtfBuilder();
    builder.pointer(9);
    expect(() => builder.bytes()).toThrow(new BtfError('type 1 refers to type 9, but the last is 1'));
    expect(() => builder.define(1, 4, [])).toThrow(new BtfError('type 1 was not declared as a struct or union'));
    const s = builder.struct('s', 0, []);
    expect(() => builder.define(s, 4, [])).toThrow(new BtfError('struct s is defined twice'));
    const named = createBtfBuilder();
    named.int('a\0b', 4);
    expect(() => named.bytes()).toThrow(new BtfError('a BTF name can\'t contain a NUL byte: "a\\u0000b"'));
  });

  it('refuses values of an enum that do not fit', () => {
    const builder = createBtfBuilder();
    builder.enum('e', 4, { A: 1, B: 2 ** 40 });
    expect(() => builder.bytes()).toThrow(new BtfError('B of enum "e" is 1099511627776, which needs 64 bits'));
  });
});

const allTypes = (btf: Btf): BtfType[] => Array.from({ length: btf.count }, (_, i) => btf.type(i + 1));

describe('an encoder of BTF', () => {
  it('writes back what gcc wrote', () => {
    const types = allTypes(parseBtf(GCC_BTF));
    expect(allTypes(parseBtf(encodeBtf(types)))).toEqual(types);
  });

  const noClang = clangSkip();
  it.skipIf(noClang)(`writes back what clang writes${noClang ? `: ${noClang}` : ''}`, () => {
    for (const { object } of corpus()) {
      if (!object.btf) throw new Error('compiled without BTF');
      const types = allTypes(object.btf);
      expect(allTypes(parseBtf(encodeBtf(types)))).toEqual(types);
    }
  });

  const noKernel = kernelSkip();
  it.skipIf(noKernel)(`writes every kind so that the kernel takes it${noKernel ? `: ${noKernel}` : ''}`, () => {
    const b = createBtfBuilder();
    const int = b.int('int', 4, true);
    const u64 = b.int('u64', 8);
    const list = b.declare('struct', 'list');
    b.define(list, 24, [
      { name: 'next', type: b.pointer(list), offset: 0 },
      { name: 'few', type: int, offset: 64, bits: 3 },
      { name: 'more', type: int, offset: 67, bits: 29 },
      { name: '', type: b.union('', 8, [{ name: 'wide', type: u64, offset: 0 }]), offset: 16 },
    ]);
    b.array(b.const(b.volatile(b.typedef('number', int))), 4);
    b.pointer(b.restrict(b.pointer(b.typeTag('user', int))));
    b.enum('signs', 4, { LESS: -1, MORE: 1 });
    b.enum64('wide', { HUGE: 1n << 40n });
    b.forward('union', 'elsewhere');
    b.float('double', 8);
    const func = b.func('f', b.funcProto(int, [{ name: 'n', type: int }]), 'global');
    b.declarationTag('tag', func, 0);
    b.dataSection('.bss', 4, [{ type: b.variable('v', int, 'global'), offset: 0, size: 4 }]);
    loadBtf(b.bytes()).close();
  });
});
