import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { opcodeOf } from '../../../engine/isa/index.ts';
import {
  type Btf,
  describeCore,
  type ElfObject,
  parseBtf,
  readElf,
  relocateProgram,
} from '../../../engine/object/index.ts';
import { clangSkip, compileC } from '../../support/clang.ts';
import { PRELUDE } from './sources.ts';

const skip = clangSkip();

const compile = (text: string): ElfObject => readElf(compileC(PRELUDE + text, { flags: ['-w'] }), 'a.o');
const btfOf = (text: string): Btf => {
  const { btf } = compile(text);
  if (!btf) throw new Error('compiled without BTF');
  return btf;
};

/** Offsets by hand, in bytes, for a 64-bit machine. */
const FIRST_KERNEL = `
struct cred { u32 uid; u32 gid; };
enum state { RUNNING = 0, SLEEPING = 1, DEAD = 9 };
typedef u32 pid_type;
struct task_struct {
  u64 flags;                              /*  0 */
  s32 pid;                                /*  8 */
  s32 tgid;                               /* 12 */
  char comm[16];                          /* 16 */
  struct cred *cred;                      /* 32 */
  u8 few : 3, more : 5;                   /* 40: bits 320 to 322, 323 to 327 */
  u16 priority;                           /* 42 */
  u32 wide : 20, rest : 12;               /* 44: bits 352 to 371, 372 to 383 */
  union { struct { u64 start, end; }; u64 times[2]; };  /* 48, 56 */
  struct { u32 low, high; } pair;         /* 64, 68 */
  u32 array[4];                           /* 72 */
  u32 tail[];                             /* 88 */
};
struct task_struct task; struct cred cred; enum state state; pid_type pid;`;

const SECOND_KERNEL = `
struct cred { u64 usage; u32 uid; u32 gid; };
enum state { RUNNING = 0, SLEEPING = 0x100000001ULL };
struct task_struct {
  u32 flags;                              /*  0 */
  char comm[32];                          /*  4 */
  s32 pid;                                /* 36 */
  u32 between;                            /* 40 */
  struct cred *cred;                      /* 48 */
  u64 priority;                           /* 56 */
  u32 more : 5, few : 3, rest : 12;       /* 64: bits 512 to 516, 517 to 519, 520 to 531 */
  u32 wide : 20;                          /* 68: bits 544 to 563, as it does not fit the unit before */
  struct { union { u64 start; u64 begin; }; u64 end; };  /* 72, 80 */
  struct { u32 low, high; } pair;         /* 88, 92 */
  u32 array[2];                           /* 96 */
};
struct task_struct task; struct cred cred; enum state state;`;

/** What the program thinks the kernel has. Its own layout is the first kernel's, apart from flavours. */
const ACCESSES = `${FIRST_KERNEL.replace('struct task_struct task; struct cred cred; enum state state; pid_type pid;', '').replaceAll('};\n', '} __core;\n').replace('9 } __core;', '9 };')}
struct cred___second { u64 usage; } __core;
struct task_struct___old { u32 forgotten; } __core;
struct nowhere { int x; } __core;
struct dup { u32 first; } __core;
#define INFO(field, kind) __builtin_preserve_field_info(field, kind)
#define TYPE(type, kind) __builtin_preserve_type_info(*(type *)0, kind)
#define VALUE(type, name, kind) __builtin_preserve_enum_value(*(type *)name, kind)
volatile u64 out;
`;

/** One relocation: what the slot holds once it is fitted to a kernel. */
function fitted(expression: string, kernel: Btf, declarations = ACCESSES): string {
  const object = compile(`${declarations}
    SEC("raw_tp/x") int program(u64 *context) { struct task_struct *task = (void *)context[0]; out = (u64)(${expression}); return 0; }`);
  const [program] = object.programs;
  const core = program?.relocations.find(({ kind }) => kind === 'core');
  if (!program || !core) throw new Error(`${expression} needs no relocation`);
  const { instructions, poisoned } = relocateProgram(program, { maps: () => 1, btf: kernel, object });
  const missing = poisoned.get(core.at);
  const instruction = instructions[core.at];
  if (missing !== undefined) return `poisoned: ${missing}`;
  if (!instruction) throw new Error('no instruction');
  const row = opcodeOf(instruction);
  const high = instructions[core.at + 1]?.imm ?? 0;
  if (row?.class === 'ldx') return `${row.name} ${instruction.offset}`;
  return row?.operation === 'lddw' ? `${(BigInt(high) << 32n) | BigInt(instruction.imm >>> 0)}` : `${instruction.imm}`;
}

const OFFSET = 0;
const [SIZE, EXISTS, SIGNED, LSHIFT, RSHIFT] = [1, 2, 3, 4, 5];

describe.skipIf(skip)(`CO-RE relocations${skip ? `: ${skip}` : ''}`, () => {
  const first = skip ? parseEmpty() : btfOf(FIRST_KERNEL);
  const second = skip ? parseEmpty() : btfOf(SECOND_KERNEL);

  it.each([
    ['task->pid', 'ldxw 8', 'ldxw 36'],
    ['task->cred', 'ldxdw 32', 'ldxdw 48'],
    ['task->comm[3]', 'ldxb 19', 'ldxb 7'],
    ['task->end', 'ldxdw 56', 'ldxdw 80'],
    ['task->pair.high', 'ldxw 68', 'ldxw 92'],
    ['task->array[1]', 'ldxw 76', 'ldxw 100'],
    ['((struct cred___second *)task)->usage', 'poisoned', 'ldxdw 0'],
    ['((struct cred *)task)->gid', 'ldxw 4', 'ldxw 12'],
  ])('%s lies at %s and %s', (expression, inFirst, inSecond) => {
    const short = (text: string) =>
      text
        .replace(/ldxs?w/, 'ldxw')
        .replace('ldxsb', 'ldxb')
        .replace(/^poisoned.*/, 'poisoned');
    expect([short(fitted(expression, first)), short(fitted(expression, second))]).toEqual([inFirst, inSecond]);
  });

  it('change the width of loads of unsigned integers with their members', () => {
    expect(fitted('task->flags', first)).toBe('ldxdw 0');
    expect(fitted('task->flags', second)).toBe('ldxw 0');
    expect(fitted('task->priority', first)).toBe('ldxh 42');
    expect(fitted('task->priority', second)).toBe('ldxdw 56');
  });

  it.each([
    ['INFO(task->pid, OFFSET)', '8', '36'],
    ['INFO(task->comm, SIZE)', '16', '32'],
    ['INFO(task->priority, SIZE)', '2', '8'],
    ['INFO(task->tgid, EXISTS)', '1', '0'],
    ['INFO(task->array[3], EXISTS)', '1', '0'],
    ['INFO(task->array[3], OFFSET)', '84', 'poisoned'],
    ['INFO(task->tail[5], OFFSET)', '108', 'poisoned'],
    ['INFO(((struct task_struct___old *)task)->forgotten, EXISTS)', '0', '0'],
    ['INFO(((struct nowhere *)task)->x, EXISTS)', '0', '0'],
    ['INFO(task->pid, SIGNED)', '1', '1'],
    ['INFO(task->priority, SIGNED)', '0', '0'],
    ['INFO(task->few, OFFSET)', '40', '64'],
    ['INFO(task->few, SIZE)', '1', '4'],
    ['INFO(task->few, LSHIFT)', '61', '56'],
    ['INFO(task->few, RSHIFT)', '61', '61'],
    ['INFO(task->wide, OFFSET)', '44', '68'],
    ['INFO(task->wide, LSHIFT)', '44', '44'],
    ['INFO(task->wide, RSHIFT)', '44', '44'],
    ['INFO(task->rest, OFFSET)', '44', '64'],
    ['INFO(task->rest, LSHIFT)', '32', '44'],
    ['INFO(task->rest, RSHIFT)', '52', '52'],
    ['TYPE(struct task_struct, 0)', '1', '1'],
    ['TYPE(struct nowhere, 0)', '0', '0'],
    ['TYPE(pid_type, 0)', '1', '0'],
    ['TYPE(struct task_struct, 1)', '88', '104'],
    ['TYPE(struct nowhere, 1)', '0', '0'],
    ['TYPE(struct cred, 2)', '1', '1'],
    ['TYPE(struct task_struct, 2)', '1', '0'],
    ['VALUE(enum state, DEAD, 0)', '1', '0'],
    ['VALUE(enum state, SLEEPING, 1)', '1', '4294967297'],
    ['VALUE(enum state, DEAD, 1)', '9', 'poisoned'],
  ])('%s is %s and %s', (expression, inFirst, inSecond) => {
    const kinds = { OFFSET, SIZE, EXISTS, SIGNED, LSHIFT, RSHIFT };
    const text = expression.replace(/, ([A-Z]+)\)$/, (whole, name: keyof typeof kinds) =>
      name in kinds ? `, ${kinds[name]})` : whole,
    );
    const short = (result: string) => result.replace(/^poisoned.*/, 'poisoned');
    expect([short(fitted(text, first)), short(fitted(text, second))]).toEqual([inFirst, inSecond]);
  });

  it('give ids of types in the object and in the kernel', () => {
    expect(fitted('__builtin_btf_type_id(*(struct cred *)0, 1)', second)).toBe(`${second.struct('cred')}`);
    expect(fitted('__builtin_btf_type_id(*(struct nowhere *)0, 1)', second)).toBe('0');
    const object = compile(
      `${ACCESSES} SEC("raw_tp/x") int program(void *c) { out = __builtin_btf_type_id(*(struct cred *)0, 0); return 0; }`,
    );
    const [program] = object.programs;
    const core = program?.relocations.find(({ kind }) => kind === 'core');
    if (!program || !core) throw new Error('no relocation');
    const { instructions } = relocateProgram(program, { maps: () => 1, btf: second, object });
    expect(object.btf?.type(instructions[core.at]?.imm ?? 0)).toMatchObject({ kind: 'struct', name: 'cred' });
  });

  it.each([
    [
      'task->tgid',
      'task_struct.tgid: task_struct has no member "tgid" in this kernel, nearest is "pid"; guard it with bpf_core_field_exists()',
    ],
    [
      'task->tail[5]',
      'task_struct.tail[5]: task_struct has no member "tail" in this kernel, nearest is "pair"; guard it with bpf_core_field_exists()',
    ],
    [
      'task->array[3]',
      'task_struct.array[3]: element 3 of task_struct.array, which has 2 in this kernel; guard it with bpf_core_field_exists()',
    ],
    [
      '((struct nowhere *)task)->x',
      'nowhere.x: this kernel has no struct "nowhere"; guard it with bpf_core_field_exists()',
    ],
    [
      'VALUE(enum state, DEAD, 1)',
      'state::DEAD: state has no member "DEAD" in this kernel; guard it with bpf_core_enum_value_exists()',
    ],
  ])('%s says why it is not there', (expression, expected) => {
    expect(fitted(expression, second)).toBe(`poisoned: ${expected}`);
  });

  it('say when a member became something else', () => {
    const kernel = btfOf(
      'struct task_struct { s64 pid; u32 comm; struct cred { u32 x; } cred; }; struct task_struct task;',
    );
    expect(fitted('task->pid', kernel)).toBe(
      'poisoned: field_byte_offset of task_struct.pid: 4 bytes in the object, 8 in this kernel, and not both unsigned; read it with BPF_CORE_READ_BITFIELD() or bpf_core_read()',
    );
    expect(fitted('task->comm[3]', kernel)).toBe(
      'poisoned: task_struct.comm[3]: task_struct.comm is of another kind in this kernel, int; guard it with bpf_core_field_exists()',
    );
    expect(fitted('task->cred', kernel)).toBe(
      'poisoned: task_struct.cred: task_struct.cred is of another kind in this kernel, struct; guard it with bpf_core_field_exists()',
    );
  });

  it('are refused where types of one name disagree, and taken where they agree', () => {
    const ambiguous = btfOf(
      'struct dup { u32 x, first; }; struct dup___2 { u32 first; }; struct dup a; struct dup___2 b;',
    );
    const agreeing = btfOf(
      'struct dup { u32 x, first; }; struct dup___2 { u32 y, first; }; struct dup a; struct dup___2 b;',
    );
    const ids = [ambiguous.find('struct', 'dup'), ambiguous.find('struct', 'dup___2')];
    expect(() => fitted('((struct dup *)task)->first', ambiguous)).toThrow(
      `program "program", instruction 1: dup.first is ambiguous: this kernel's types ${ids[0]} and ${ids[1]} of that name disagree (4 and 0)`,
    );
    expect(fitted('((struct dup *)task)->first', agreeing)).toBe('ldxw 4');
  });

  it('are refused where the offset does not fit the instruction', () => {
    const kernel = btfOf('struct task_struct { char before[40000]; s32 pid; }; struct task_struct task;');
    expect(() => fitted('task->pid', kernel)).toThrow(
      'program "program", instruction 1: field_byte_offset of task_struct.pid: offset 40000 is beyond the 32767 that an instruction can hold; add the offset to the pointer instead',
    );
  });

  it('are described in words', () => {
    const object = compile(
      `${ACCESSES} SEC("raw_tp/x") int program(u64 *c) { struct task_struct *t = (void *)c[0]; return t->array[2] + t->pair.high; }`,
    );
    const { btf } = object;
    const core = object.programs[0]?.relocations.flatMap((one) =>
      one.kind === 'core' && btf ? [describeCore(one, btf)] : [],
    );
    expect(core).toEqual(['field_byte_offset of task_struct.array[2]', 'field_byte_offset of task_struct.pair.high']);
  });
});

function parseEmpty(): Btf {
  return parseBtf(new Uint8Array([0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]));
}

const LIVE = '/sys/kernel/btf/vmlinux';
const liveReason = skip ?? (existsSync(LIVE) ? undefined : `there is no ${LIVE}`);
describe.skipIf(liveReason)(
  `CO-RE relocations against this machine's kernel${liveReason ? `: ${liveReason}` : ''}`,
  () => {
    const live = liveReason ? parseEmpty() : parseBtf(new Uint8Array(readFileSync(LIVE)));

    it.each([
      ['task->pid', 'task_struct.pid'],
      ['task->tgid', 'task_struct.tgid'],
      ['task->comm[3]', 'task_struct.comm[3]'],
    ])('%s lies where BTF says', (expression, path) => {
      expect(fitted(expression, live).replace(/\D+/, '')).toBe(`${live.access(path)?.offset}`);
    });

    it('is read fast', () => {
      const bytes = new Uint8Array(readFileSync(LIVE));
      const times = Array.from({ length: 5 }, () => {
        const start = performance.now();
        parseBtf(bytes);
        return performance.now() - start;
      });
      expect(Math.min(...times)).toBeLessThan(100);
    });
  },
);
