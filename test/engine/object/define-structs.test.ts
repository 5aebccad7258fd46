import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BtfError, defineStructs, parseBtf } from '../../../engine/object/index.ts';
import { clangSkip, compileC } from '../../support/clang.ts';

const C_TYPES: Record<string, string> = {
  u8: 'unsigned char',
  u16: 'unsigned short',
  u32: 'unsigned int',
  u64: 'unsigned long',
  s8: 'signed char',
  s16: 'short',
  s32: 'int',
  s64: 'long',
  bool: '_Bool',
};

describe('defineStructs', () => {
  it('reads every form of a member', () => {
    const btf = parseBtf(
      defineStructs({
        task_struct: {
          flags: 'unsigned int',
          __anon0: 'union anon_id',
          comm: 'char[16]',
          real_parent: 'struct task_struct *',
          fds: 'struct file **',
          path: 'struct path',
          start: 'u64 @0x100',
          grid: 'u16[2][3]',
          opaque: 'void *',
        },
        'union anon_id': { id: 'u64', half: 'u32' },
        path: { mnt: 'struct vfsmount *', dentry: 'struct dentry *' },
      }),
    );
    const task = btf.struct('task_struct') as number;
    const offsets = {
      'task_struct.flags': 0,
      'task_struct.id': 8,
      'task_struct.half': 8,
      'task_struct.comm': 16,
      'task_struct.real_parent': 32,
      'task_struct.fds': 40,
      'task_struct.path.dentry': 56,
      'task_struct.start': 256,
      'task_struct.grid[1][2]': 274,
      'task_struct.opaque': 280,
    };
    expect(Object.fromEntries(Object.keys(offsets).map((path) => [path, btf.access(path)?.offset]))).toEqual(offsets);
    expect(btf.size(task)).toBe(288);
    expect(btf.pointee(task, 32, 8)).toBe(task);
    expect(btf.pointee(task, 40, 8)).toBeUndefined();
    expect(btf.pointee(task, 48, 8)).toBeUndefined();
    expect(btf.access('task_struct.grid')?.size).toBe(12);
    expect(btf.access('task_struct.__anon0')).toBeUndefined();
  });

  it.each([
    [
      { s: { a: 'u32 *[' } },
      'struct s, member a: can\'t read the type "u32 *["; write for example "u32", "char[16]", "struct file **" or "u64 @8"',
    ],
    [
      { s: { a: 'uint' } },
      'struct s, member a: there is no type "uint"; there are u8, u16, u32, u64, s8, s16, s32, s64, bool, char, short, int, long, unsigned char, unsigned short, unsigned int, unsigned long, void *, struct NAME and union NAME',
    ],
    [{ s: { a: 'void' } }, 'struct s, member a: void has no size; write "void *"'],
    [{ s: { a: 'struct t' } }, 'struct s, member a: struct t is embedded but not defined'],
    [{ s: { a: 'union t' }, t: {} }, 'struct s, member a: t is a struct, not a union'],
    [{ s: { a: 'struct t' }, t: { b: 'struct s[2]' } }, 'struct t, member b: struct s contains itself'],
    [{ s: { a: 'u32', b: 'u64 @12' } }, "struct s, member b: offset 12 is not a multiple of the type's alignment, 8"],
    [{ s: { a: 'u64', b: 'u32 @4' } }, 'struct s, member b: offset 4 overlaps the member before it, which ends at 8'],
    [{ 'struct a b': {} }, '"struct a b" is not a name of a struct; write "task_struct" or "union sigval"'],
    [{ a: {}, 'union a': {} }, 'a is defined twice'],
  ] as const)('refuses %j', (definitions, message) => {
    expect(() => defineStructs(definitions as unknown as Record<string, Record<string, string>>)).toThrow(
      new BtfError(message),
    );
  });

  it.skipIf(clangSkip())('lays structs out as a C compiler does', () => {
    const scalar = fc.constantFrom(...Object.keys(C_TYPES));
    const member = fc.record({
      base: fc.oneof({ weight: 3, arbitrary: scalar }, { weight: 1, arbitrary: fc.constant('earlier') }),
      pick: fc.nat(1000),
      stars: fc.constantFrom('', '', '', '*', '**'),
      lengths: fc.constantFrom('', '', '[3]', '[2][5]'),
    });
    const program = fc.array(
      fc.record({ union: fc.boolean(), members: fc.array(member, { minLength: 1, maxLength: 6 }) }),
      {
        minLength: 1,
        maxLength: 60,
      },
    );
    for (const structs of fc.sample(program, { numRuns: 5, seed: 1 })) {
      const definitions: Record<string, Record<string, string>> = {};
      let source = '';
      for (const [i, { union, members }] of structs.entries()) {
        const keyword = (n: number) => (structs[n]?.union ? 'union' : 'struct');
        const fields: Record<string, string> = {};
        let body = '';
        for (const [j, { base, pick, stars, lengths }] of members.entries()) {
          const earlier = pick % Math.max(i, 1);
          const embedded = `${keyword(earlier)} t${earlier}`;
          const isScalar = base !== 'earlier' || i === 0;
          const name = base === 'earlier' ? 'u8' : base;
          fields[`m${j}`] = `${isScalar ? name : embedded} ${stars}${lengths}`;
          body += `  ${isScalar ? C_TYPES[name] : embedded} ${stars}m${j}${lengths};\n`;
        }
        definitions[union ? `union t${i}` : `t${i}`] = fields;
        source += `${keyword(i)} t${i} {\n${body}};\n`;
      }
      const btf = parseBtf(defineStructs(definitions));
      for (const [i, { union, members }] of structs.entries()) {
        const type = `${union ? 'union' : 'struct'} t${i}`;
        source += `_Static_assert(sizeof(${type}) == ${btf.access(`t${i}`)?.size}, "size of ${type}");\n`;
        for (const j of members.keys())
          source += `_Static_assert(__builtin_offsetof(${type}, m${j}) == ${btf.access(`t${i}.m${j}`)?.offset}, "${type} m${j}");\n`;
      }
      expect(compileC(source).length).toBeGreaterThan(0);
    }
  });
});
