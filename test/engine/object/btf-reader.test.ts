import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Btf, BtfError, createBtfBuilder, parseBtf } from '../../../engine/object/index.ts';
import { GCC_BTF } from './gcc-btf.ts';

const at = (btf: Btf, path: string) => btf.access(path)?.offset;

describe("gcc's BTF", () => {
  const btf = parseBtf(GCC_BTF);
  const outer = btf.struct('outer') as number;

  it('gives the offsets that offsetof gives in C', () => {
    const paths = {
      'outer.id': 0,
      'outer.in': 4,
      'outer.in[1].b[2]': 18,
      'outer.q': 24,
      'outer.low': 24,
      'outer.high': 28,
      'outer.f': 32,
      'outer.next': 40,
      'outer.b.x': 52,
      'outer.b.hi': 53,
      'outer.fl': 56,
      'outer.d': 64,
      'outer.tail': 72,
      'outer.tail[5]': 77,
      both: 0,
    };
    expect(Object.fromEntries(Object.keys(paths).map((path) => [path, at(btf, path)]))).toEqual(paths);
  });

  it('gives sizes, through typedefs and qualifiers', () => {
    const sizes = Object.entries({
      outer: 72,
      'outer.id': 4,
      'outer.in': 16,
      'outer.q': 8,
      'outer.f': 8,
      'outer.fl': 4,
    });
    for (const [path, size] of sizes) expect([path, btf.access(path)?.size]).toEqual([path, size]);
    expect(btf.access('outer.id')?.type).toEqual({ kind: 'int', name: 'unsigned int', size: 4, signed: false });
    expect(btf.access('outer.in[0].b[0]')?.type).toEqual({ kind: 'int', name: 'short int', size: 2, signed: true });
  });

  it('tells bit fields from other members', () => {
    expect(btf.access('outer.more')).toMatchObject({ offset: 48, bits: { offset: 387, size: 7 } });
    expect(btf.access('outer.b')).not.toHaveProperty('bits');
  });

  it("doesn't follow what isn't there, nor pointers", () => {
    for (const path of ['outer.nothing', 'nothing.id', 'outer.in[2]', 'outer.next.id', 'outer.f[0]', 'outer.id.x', ''])
      expect([path, btf.access(path)]).toEqual([path, undefined]);
    expect(btf.access('outer..id')).toBeUndefined();
  });

  it('finds where a typed load of a pointer leads', () => {
    expect(btf.pointee(outer, 40, 8)).toBe(outer);
    expect(btf.pointee(outer, 40, 4)).toBeUndefined();
    expect(btf.pointee(outer, 44, 4)).toBeUndefined();
    expect(btf.pointee(outer, 32, 8)).toBeUndefined();
    expect(btf.pointee(outer, 0, 4)).toBeUndefined();
    expect(btf.pointee(outer, 4000, 8)).toBeUndefined();
  });

  it('decodes enums, functions and forward declarations', () => {
    const types = Array.from({ length: btf.count }, (_, i) => btf.type(i + 1));
    expect(types.find((type) => type.kind === 'enum')).toEqual({
      kind: 'enum',
      name: 'color',
      size: 4,
      signed: false,
      values: [
        { name: 'RED', value: 0n },
        { name: 'GREEN', value: 5n },
      ],
    });
    expect(types.find((type) => type.kind === 'forward')).toEqual({ kind: 'forward', name: 'fwd', of: 'struct' });
    const func = types.find((type) => type.kind === 'func');
    const proto = func?.kind === 'func' ? btf.type(func.target) : undefined;
    expect(func).toMatchObject({ name: 'func' });
    expect(proto).toMatchObject({ kind: 'func_proto', parameters: [{ name: 'o' }, { name: 'n' }] });
    expect(types.filter((type) => type.kind === 'float')).toEqual([
      { kind: 'float', name: 'float', size: 4 },
      { kind: 'float', name: 'double', size: 8 },
    ]);
    const outer = btf.struct('outer');
    const color = btf.find('enum', 'color');
    expect(types.filter((type) => type.kind === 'var')).toEqual([
      { kind: 'var', name: 'c', target: color, linkage: 'global' },
      { kind: 'var', name: 'g', target: outer, linkage: 'global' },
    ]);
    expect(types.find((type) => type.kind === 'datasec')).toMatchObject({ name: '.bss' });
  });
});

describe('pointers that programs can follow', () => {
  const builder = createBtfBuilder();
  const target = builder.struct('target', 8, [{ name: 'n', type: builder.int('long', 8, true), offset: 0 }]);
  const plain = builder.pointer(builder.const(builder.typedef('target_t', target)));
  const user = builder.pointer(builder.typeTag('user', target));
  const percpu = builder.pointer(builder.typeTag('percpu', target));
  const rcu = builder.pointer(builder.typeTag('rcu', target));
  const inner = builder.struct('inner', 16, [
    { name: 'n', type: builder.int('long', 8, true), offset: 0 },
    { name: 'p', type: plain, offset: 8 },
  ]);
  const either = builder.union('either', 8, [
    { name: 'p', type: rcu, offset: 0 },
    { name: 'n', type: builder.int('long', 8, true), offset: 0 },
  ]);
  const host = builder.struct('host', 88, [
    { name: 'user', type: user, offset: 0 },
    { name: 'percpu', type: percpu, offset: 8 },
    { name: '', type: either, offset: 16 },
    { name: 'inner', type: builder.array(inner, 2), offset: 24 },
    { name: 'pp', type: builder.pointer(plain), offset: 56 },
    { name: 'table', type: builder.array(plain, 3), offset: 64 },
  ]);
  const btf = parseBtf(builder.bytes());

  it('are found in embedded structs, arrays and unions', () => {
    for (const offset of [16, 32, 48, 64, 72, 80])
      expect([offset, btf.pointee(host, offset, 8)]).toEqual([offset, target]);
  });

  it("don't include __user, __percpu, pointers to pointers, and the middle of one", () => {
    for (const offset of [0, 8, 24, 40, 56, 60, 88])
      expect([offset, btf.pointee(host, offset, 8)]).toEqual([offset, undefined]);
  });
});

describe('broken BTF', () => {
  const array = 4;
  const sample = () => {
    const builder = createBtfBuilder();
    builder.typedef('a', 2);
    builder.const(1);
    builder.array(array, 2);
    builder.struct('s', 4, []);
    return builder.bytes();
  };
  const changed = (change: (view: DataView) => void): Uint8Array => {
    const bytes = sample();
    change(new DataView(bytes.buffer));
    return bytes;
  };
  const message = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      expect(error).toBeInstanceOf(BtfError);
      return (error as Error).message;
    }
    return 'no error';
  };

  it('is refused with its place', () => {
    const length = sample().length;
    expect(message(() => parseBtf(new Uint8Array(5)))).toBe('BTF is truncated: 5 bytes, less than a header of 24');
    expect(message(() => parseBtf(new Uint8Array(30)))).toBe('not BTF: it starts with 0x0, not 0xeb9f');
    expect(message(() => parseBtf(changed((v) => v.setUint16(0, 0xeb9f))))).toBe(
      'BTF is big endian; only little endian is supported',
    );
    expect(message(() => parseBtf(changed((v) => v.setUint8(2, 2))))).toBe(
      'BTF has version 2; only version 1 is supported',
    );
    expect(message(() => parseBtf(sample().subarray(0, length - 3)))).toBe(
      `BTF is truncated: its strings end at byte ${length}, but there are ${length - 3} bytes`,
    );
    expect(message(() => parseBtf(changed((v) => v.setUint32(12, 1 << 30, true))))).toBe(
      `BTF is truncated: its types end at byte ${24 + (1 << 30)}, but there are ${length} bytes`,
    );
    expect(message(() => parseBtf(changed((v) => v.setUint8(length - 1, 65))))).toBe(
      "BTF's strings must begin and end with a NUL byte",
    );
    expect(message(() => parseBtf(changed((v) => v.setUint32(28, 31 << 24, true))))).toBe(
      'BTF type 1 has an unknown kind, 31',
    );
    expect(message(() => parseBtf(changed((v) => v.setUint32(28, (4 << 24) | 0xffff, true))))).toBe(
      'BTF is truncated: type 1 goes beyond the end of the types',
    );
  });

  it('is refused where a type is asked for that leads nowhere or in a circle', () => {
    const btf = parseBtf(sample());
    expect(message(() => btf.type(7))).toBe('BTF has no type 7; its types are numbered 1 to 5');
    expect(message(() => btf.type(0))).toBe('BTF has no type 0; its types are numbered 1 to 5');
    expect(message(() => btf.resolve(1))).toBe('BTF type 1 refers to itself through its modifiers');
    expect(message(() => btf.size(array))).toBe('BTF type 4 contains itself');
    const named = parseBtf(changed((v) => v.setUint32(24, 9999, true)));
    expect(message(() => named.type(1))).toMatch(/^BTF name at 9999 lies beyond the \d+ bytes of strings$/);
    const cyclic = createBtfBuilder();
    cyclic.struct('s', 4, [{ name: '', type: 1, offset: 0 }]);
    const s = parseBtf(cyclic.bytes());
    expect(message(() => s.access('s.x'))).toBe('BTF type 1 contains itself');
  });
});

const VMLINUX = '/sys/kernel/btf/vmlinux';

describe.skipIf(!existsSync(VMLINUX) || process.arch !== 'x64')(
  "the running kernel's BTF (skipped where the kernel has none, or is not x86-64)",
  () => {
    const read = () => new Uint8Array(readFileSync(VMLINUX));

    it('is indexed in well under 200 ms', () => {
      const bytes = read();
      const started = performance.now();
      const btf = parseBtf(bytes);
      expect(btf.struct('task_struct')).toBeGreaterThan(0);
      expect(performance.now() - started).toBeLessThan(200);
      expect(btf.count).toBeGreaterThan(10_000);
    });

    it('has what the ABI fixes', () => {
      const btf = parseBtf(read());
      expect(btf.access('pt_regs.di')).toMatchObject({ offset: 112, size: 8 });
      expect(btf.access('pt_regs.orig_ax')).toMatchObject({ offset: 120, size: 8 });
      expect(btf.access('pt_regs')?.size).toBe(168);
      expect(btf.access('task_struct.comm')?.size).toBe(16);
      expect(btf.access('task_struct.pid')?.size).toBe(4);
      expect(btf.access('sockaddr_in.sin_addr.s_addr')).toMatchObject({ offset: 4, size: 4 });
      expect(btf.access('sockaddr_in')?.size).toBe(16);
      expect(btf.access('iovec.iov_len')).toMatchObject({ offset: 8, size: 8 });
    });

    it('leads from a task to its parent and credentials', () => {
      const btf = parseBtf(read());
      const task = btf.struct('task_struct') as number;
      const parent = btf.access('task_struct.real_parent')?.offset as number;
      const cred = btf.access('task_struct.cred')?.offset as number;
      expect(btf.pointee(task, parent, 8)).toBe(task);
      expect(btf.pointee(task, cred, 8)).toBe(btf.struct('cred'));
      expect(btf.access('task_struct.real_parent.pid')).toBeUndefined();
    });

    it('can be decoded to the last type, every member within its struct', () => {
      const btf = parseBtf(read());
      const outside: string[] = [];
      for (let id = 1; id <= btf.count; id++) {
        const type = btf.type(id);
        if (type.kind !== 'struct' && type.kind !== 'union') continue;
        for (const member of type.members) {
          const end = member.bits ? (member.bits.offset + member.bits.size) / 8 : member.offset + btf.size(member.type);
          if (end > type.size) outside.push(`${type.name}.${member.name}`);
        }
      }
      expect(outside).toEqual([]);
    });
  },
);
