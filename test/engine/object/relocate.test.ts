import { describe, expect, it } from 'vitest';
import { BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE, type Instruction } from '../../../engine/isa/index.ts';
import {
  createBtfBuilder,
  type FieldWhat,
  type ProgramSpec,
  parseBtf,
  type Relocation,
  RelocationError,
  relocate,
} from '../../../engine/object/index.ts';

const LDXDW = 0x79;
const LDXW = 0x61;
const STDW = 0x7a;
const ADD64_K = 0x07;
const MOV64_K = 0xb7;
const LDDW = 0x18;
const EXIT = 0x95;

const builder = createBtfBuilder();
const u32 = builder.int('u32', 4);
const u64 = builder.int('u64', 8);
const cred = builder.struct('cred', 16, [{ name: 'uid', type: u32, offset: 8 }]);
builder.struct('task_struct', 80_000, [
  { name: 'flags', type: u64, offset: 0 },
  { name: 'in_execve', type: u32, offset: 64 + 3, bits: 1 },
  { name: '', type: builder.union('', 8, [{ name: 'real_parent', type: builder.pointer(2), offset: 0 }]), offset: 16 },
  { name: 'cred', type: builder.pointer(cred), offset: 24 },
  { name: 'own', type: cred, offset: 32 },
  { name: 'fds', type: builder.array(u64, 4), offset: 48 },
  { name: 'far', type: u32, offset: 70_000 },
]);
const btf = parseBtf(builder.bytes());

const slot = (opcode: number, imm = 0, offset = 0): Instruction => ({ opcode, dst: 1, src: 0, offset, imm });
const wide = (low = 0, high = 0): Instruction[] => [slot(LDDW, low), { ...slot(0, high), dst: 0 }];

const program = (instructions: readonly Instruction[], ...relocations: Relocation[]): ProgramSpec => ({
  name: 'probe',
  hook: 'tp_btf/sys_exit',
  instructions,
  relocations,
  lines: [],
});
const maps = (name: string) => ({ procs: 11, config: 12 })[name];
const field = (access: string, what: FieldWhat = 'offset', at = 0): Relocation => ({
  kind: 'field',
  at,
  access,
  what,
});
const run = (opcode: number, relocation: Relocation): Instruction | undefined =>
  relocate(program([slot(opcode, 1, 1), slot(EXIT)], relocation), maps, btf)[0];

describe('relocate', () => {
  it('puts offsets into the offset of loads and stores, and into imm of anything else', () => {
    expect(run(LDXDW, field('task_struct.cred'))).toMatchObject({ offset: 24, imm: 1 });
    expect(run(LDXDW, field('task_struct.real_parent'))).toMatchObject({ offset: 16 });
    expect(run(LDXW, field('task_struct.own.uid'))).toMatchObject({ offset: 40 });
    expect(run(STDW, field('task_struct.fds[3]'))).toMatchObject({ offset: 72, imm: 1 });
    expect(run(ADD64_K, field('task_struct.far'))).toMatchObject({ offset: 1, imm: 70_000 });
    expect(run(MOV64_K, field('task_struct.own'))).toMatchObject({ imm: 32 });
  });

  it('puts 0 for the offset of a member that may be missing', () => {
    expect(run(LDXDW, field('task_struct.cred', 'offset_or_0'))).toMatchObject({ offset: 24, imm: 1 });
    expect(run(LDXDW, field('task_struct.gone', 'offset_or_0'))).toMatchObject({ offset: 0, imm: 1 });
    expect(run(ADD64_K, field('gone.member', 'offset_or_0'))).toMatchObject({ imm: 0 });
    expect(run(ADD64_K, field('task_struct.cred', 'offset_or_0'))).toMatchObject({ imm: 24 });
    expect(() => run(LDXDW, field('task_struct.cred.uid', 'offset_or_0'))).toThrow('goes through the pointer');
  });

  it('puts existence and size into imm', () => {
    expect(run(MOV64_K, field('task_struct.cred', 'exists'))?.imm).toBe(1);
    expect(run(MOV64_K, field('task_struct.in_execve', 'exists'))?.imm).toBe(1);
    expect(run(MOV64_K, field('task_struct.gone', 'exists'))?.imm).toBe(0);
    expect(run(MOV64_K, field('gone.member', 'exists'))?.imm).toBe(0);
    expect(run(MOV64_K, field('task_struct.fds[4]', 'exists'))?.imm).toBe(0);
    expect(run(MOV64_K, field('task_struct.fds', 'size'))?.imm).toBe(32);
    expect(run(MOV64_K, field('task_struct', 'size'))?.imm).toBe(80_000);
  });

  it('fills map references in, with a high half of zero or the offset into the value', () => {
    const instructions = [...wide(5, 6), ...wide(5, 6), ...wide(5, 6), slot(EXIT)];
    const relocated = relocate(
      program(
        instructions,
        { kind: 'map', at: 0, map: 'procs' },
        { kind: 'map_value', at: 2, map: 'config', offset: 40 },
        field('task_struct.far', 'offset', 4),
      ),
      maps,
      btf,
    );
    expect(relocated[0]).toMatchObject({ opcode: LDDW, dst: 1, src: BPF_PSEUDO_MAP_FD, imm: 11 });
    expect(relocated[1]).toMatchObject({ opcode: 0, imm: 0 });
    expect(relocated[2]).toMatchObject({ src: BPF_PSEUDO_MAP_VALUE, imm: 12 });
    expect(relocated[3]).toMatchObject({ imm: 40 });
    expect(relocated[4]).toMatchObject({ src: 0, imm: 70_000 });
    expect(relocated[5]).toMatchObject({ imm: 0 });
    expect(instructions[0]).toMatchObject({ src: 0, imm: 5 });
  });

  const REFUSED: readonly (readonly [string, number, Relocation, string])[] = [
    [
      'a member that is misspelt',
      LDXDW,
      field('task_struct.real_parnet'),
      'task_struct has no member "real_parnet" in this kernel; did you mean "real_parent"?',
    ],
    ['a member unlike any other', LDXDW, field('task_struct.zzz'), 'task_struct has no member "zzz" in this kernel'],
    [
      'a member of an embedded struct',
      LDXW,
      field('task_struct.own.uidd'),
      'task_struct.own has no member "uidd" in this kernel; did you mean "uid"?',
    ],
    ['a struct that is not there', LDXDW, field('task.cred'), `this kernel's BTF has no struct "task"`],
    [
      'a path through a pointer',
      LDXW,
      field('task_struct.cred.uid'),
      '"task_struct.cred.uid" goes through the pointer task_struct.cred; load the pointer first and name the rest from the struct it points to',
    ],
    [
      'a path through a pointer, also to ask whether it exists',
      MOV64_K,
      field('task_struct.cred.uid', 'exists'),
      '"task_struct.cred.uid" goes through the pointer task_struct.cred; load the pointer first and name the rest from the struct it points to',
    ],
    [
      'an element of a pointer',
      LDXW,
      field('task_struct.cred[1]'),
      '"task_struct.cred[1]" goes through the pointer task_struct.cred; load the pointer first and name the rest from the struct it points to',
    ],
    [
      'a member of a number',
      LDXDW,
      field('task_struct.flags.low'),
      '"task_struct.flags.low" goes through task_struct.flags, which is of kind int, not a struct or union',
    ],
    [
      'an element of a number',
      LDXDW,
      field('task_struct.flags[0]'),
      '"task_struct.flags[0]" takes an element of task_struct.flags, which is of kind int, not an array',
    ],
    [
      'an element beyond the end',
      LDXDW,
      field('task_struct.fds[4]'),
      '"task_struct.fds[4]" takes element 4 of task_struct.fds, which has 4 elements',
    ],
    [
      'what is no path',
      LDXDW,
      field('task_struct->cred'),
      '"task_struct->cred" is not a path; write for example "task_struct.cred" or "path.dentry[0]"',
    ],
    [
      'a bit field',
      LDXW,
      field('task_struct.in_execve'),
      "task_struct.in_execve is a bit field (width 1), which relocation can't address; name the member before it and shift",
    ],
    [
      'a load wider than the member',
      LDXDW,
      field('task_struct.own.uid'),
      'it accesses 8 bytes at task_struct.own.uid, which has 4 in this kernel; use an access of its size',
    ],
    [
      'an offset beyond 16 bits',
      LDXW,
      field('task_struct.far'),
      'task_struct.far lies at offset 70000, beyond the 32767 that an instruction can hold; add the offset to the pointer instead',
    ],
    [
      'a size for a load',
      LDXW,
      field('task_struct.fds', 'size'),
      '"size" of task_struct.fds goes into imm, but this is a load or store',
    ],
    [
      'a slot that is not there',
      LDXW,
      field('cred.uid', 'offset', 9),
      'a relocation names it, but the program has 2 slots',
    ],
    [
      'a map reference in a short instruction',
      MOV64_K,
      { kind: 'map', at: 0, map: 'procs' },
      'a reference to map "procs" needs a wide instruction (lddw)',
    ],
    [
      'a map that was not created',
      LDDW,
      { kind: 'map', at: 0, map: 'proc' },
      'there is no map "proc"; create it before the program is loaded',
    ],
  ];

  it.each(REFUSED)('refuses %s', (_what, opcode, relocation, message) => {
    const attempt = () => run(opcode, relocation);
    expect(attempt).toThrow(RelocationError);
    expect(attempt).toThrow(
      expect.objectContaining({
        message: `program "probe", instruction ${relocation.at}: ${message}`,
        program: 'probe',
        at: relocation.at,
      }),
    );
  });

  it('refuses a wide instruction without its second half', () => {
    expect(() => relocate(program([slot(LDDW)], { kind: 'map', at: 0, map: 'procs' }), maps, btf)).toThrow(
      new RelocationError(program([]), 0, 'a wide instruction has no second slot'),
    );
  });
});
