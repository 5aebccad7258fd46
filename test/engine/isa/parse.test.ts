import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  AssemblySyntaxError,
  disassemble,
  encode,
  type Instruction,
  OPCODES,
  type ParseOptions,
  parseAssembly,
} from '../../../engine/isa/index.ts';
import { count, seed } from '../../support/counts.ts';
import { instances } from './instances.ts';

const hex = (text: string, options?: ParseOptions): string =>
  (
    Buffer.from(encode(parseAssembly(text, options).instructions))
      .toString('hex')
      .match(/.{16}/g) ?? []
  ).join(' ');

const issuesOf = (text: string, options?: ParseOptions): string[] => {
  try {
    parseAssembly(text, options);
  } catch (error) {
    if (error instanceof AssemblySyntaxError) return error.message.split('\n');
    throw error;
  }
  return [];
};

/** As `bpftool prog dump xlated opcodes` prints it: slot, opcode in brackets, bytes on the line below. */
const bpftoolListing = (instructions: readonly Instruction[]): string =>
  disassemble(instructions)
    .map(({ at, text }) => {
      const slots = instructions.slice(at, at + (instructions[at]!.opcode === 0x18 ? 2 : 1));
      const bytes = [...encode(slots)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
      return `${String(at).padStart(4)}: (${bytes.slice(0, 2)}) ${text}\n       ${bytes}`;
    })
    .join('\n');

describe('what disassemble prints reads back', () => {
  test.each(OPCODES.map((row) => [`${row.name} with ${row.source}`, row] as const))('%s', (name, row) => {
    fc.assert(
      fc.property(instances(row), (instructions) => {
        const [line] = disassemble(instructions);
        expect(parseAssembly(line!.text).instructions).toEqual(instructions);
      }),
      { numRuns: count(2000), seed: seed(`parse undoes disassemble: ${name}`) },
    );
  });

  const programs = fc
    .array(
      fc.constantFrom(...OPCODES).chain((row) => instances(row)),
      { minLength: 1, maxLength: 60 },
    )
    .map((parts) => parts.flat());

  test('programs, as text alone and as listings with slots, opcodes and bytes', () => {
    fc.assert(
      fc.property(programs, (instructions) => {
        const text = disassemble(instructions).map((line) => line.text);
        expect(parseAssembly(text.join('\n')).instructions).toEqual(instructions);
        expect(parseAssembly(bpftoolListing(instructions)).instructions).toEqual(instructions);
      }),
      { numRuns: count(20_000), seed: seed('listings of programs') },
    );
  }, 120_000);
});

describe('the text of the kernel', () => {
  // As 6.18's verifier logs a socket filter at level 2.
  const LOG = `func#0 @0
func#1 @7
Live regs before insn:
      0: .1.345.... (b7) r0 = 0
      1: 01.345.... (18) r2 = 0x5
      3: 012345.... (15) if r1 == 0x0 goto pc+2
      4: 012345.... (dc) r0 = be16 r0
      5: .12345.... (85) call pc+1
  1   6: 0......... (95) exit
      7: .......... (b7) r0 = 2
      8: 0......... (95) exit
0: R1=ctx() R10=fp0
0: (b7) r0 = 0                        ; R0=0
1: (18) r2 = 0x5                      ; R2=5
3: (15) if r1 == 0x0 goto pc+2        ; R1=scalar(smin=umin=umin32=1,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))
4: (dc) r0 = be16 r0                  ; R0=0
5: (85) call pc+1
caller:
 R10=fp0
callee:
 frame1: R2=5 R10=fp0
7: frame1: R2=5 R10=fp0
7: (b7) r0 = 2                        ; frame1: R0=2
8: (95) exit
returning from callee:
 frame1: R0=2 R2=5 R10=fp0
to caller at 6:
 R0=2 R10=fp0

from 8 to 6: R0=2 R10=fp0
6: (95) exit
mark_precise: frame0: last_idx 9 first_idx 14 subseq_idx -1
mark_precise: frame0: regs=r0 stack= before 8: (57) r0 &= 3
(0) frame 0 insn 11 +live -8
(3,4) frame 1 insn 12 +live -8
SCC exit (1)
(0) live stack update done in 2 iterations

from 3 to 6: R0=0 R1=0 R2=5 R10=fp0
6: (95) exit
processed 9 insns (limit 1000000) max_states_per_insn 0 total_states 2 peak_states 2 mark_read 0
`;
  const BYTES =
    'b700000000000000 1802000005000000 0000000000000000 1501020000000000 dc00000010000000 8510000001000000 9500000000000000 b700000002000000 9500000000000000';

  test('a log of the verifier, in which slots come again', () => {
    expect(hex(LOG)).toBe(BYTES);
  });

  test('bpftool: headings of functions, source lines, maps and helpers', () => {
    const { instructions, labels, relocations } = parseAssembly(
      `int handle(struct pt_regs * ctx):
; int key = 0;
   0: (b7) r1 = 0
   1: (63) *(u32 *)(r10 -4) = r1
   2: (bf) r2 = r10
   3: (07) r2 += -4
   4: (18) r1 = map[id:42]
   6: (18) r3 = map[id:43][0]+16
   8: (85) call bpf_map_lookup_elem#1
   9: (85) call pc+1#bpf_prog_c81e728d9d4c2f63_helper
  10: (95) exit
int helper(void):
; return 0;
  11: (b7) r0 = 0
  12: (95) exit
`,
      { helpers: new Map([['bpf_map_lookup_elem', 1]]) },
    );
    expect(Buffer.from(encode(instructions)).toString('hex').match(/.{16}/g)).toEqual([
      'b701000000000000',
      '631afcff00000000',
      'bfa2000000000000',
      '07020000fcffffff',
      '181100002a000000',
      '0000000000000000',
      '182300002b000000',
      '0000000010000000',
      '8500000001000000',
      '8510000001000000',
      '9500000000000000',
      'b700000000000000',
      '9500000000000000',
    ]);
    expect([...labels]).toEqual([
      ['handle', 0],
      ['helper', 11],
    ]);
    expect(relocations).toEqual([]);
  });

  test.each([
    // A helper's number in a translated program is its address; its name says which it is.
    ['call bpf_get_prandom_u32#178448', '8500000007000000'],
    ['call unknown#5', '8500000005000000'],
    ['call bpf_get_prandom_u32', '8500000007000000'],
    ['(18) r1 = 0xffff888012345678', '1801000078563412 000000008088ffff'],
    ['(b7) r1 = 5', 'b701000005000000'],
    ['r1 = 5', 'b701000005000000'],
    ['if r1 == 0xffffffff goto pc-1', '1501ffffffffffff'],
    ['w1 = 4294967295', 'b4010000ffffffff'],
    ['*(u32 *)(r10 -4) = 0xffffffff', '620afcffffffffff'],
    ['call kernel-function#1234', '85200000d2040000'],
    // include/uapi/linux/bpf.h: BPF_LOAD_ACQ 0x100, BPF_STORE_REL 0x110; texts of kernel/bpf/disasm.c.
    ['r0 = load_acquire((u64 *)(r1 +8))', 'db10080000010000'],
    ['w0 = load_acquire((u8 *)(r1 -1))', 'd310ffff00010000'],
    ['store_release((u16 *)(r10 -2), w3)', 'cb3afeff10010000'],
    ['may_goto pc+2', 'e500020000000000'],
  ])('%s', (text, bytes) => {
    expect(hex(text, { helpers: new Map([['bpf_get_prandom_u32', 7]]) })).toBe(bytes);
  });
});

describe('labels and names', () => {
  test('jumps and calls by name, comments of three kinds, several labels at one place', () => {
    const text = `
start: top:          # two names
  r0 = 1             // one
  if r0 != 1 goto out; not taken
  call double
  gotol out
double: r0 += r0
        exit
out:
  exit`;
    expect(hex(text)).toBe(
      'b700000001000000 5500040001000000 8510000001000000 0600000002000000 0f00000000000000 9500000000000000 9500000000000000',
    );
    expect([...parseAssembly(text).labels]).toEqual([
      ['start', 0],
      ['top', 0],
      ['double', 4],
      ['out', 6],
    ]);
  });

  test('a label goes before a helper of its name', () => {
    const text = 'call bpf_loop\nexit\nbpf_loop: exit';
    expect(hex(text, { helpers: new Map([['bpf_loop', 181]]) })).toBe(
      '8510000001000000 9500000000000000 9500000000000000',
    );
  });

  test('maps by name are relocations, or handles where they are given', () => {
    const text = 'r1 = map[events]\nr2 = map[.rodata][0]+24\nexit';
    expect(parseAssembly(text).relocations).toEqual([
      { kind: 'map', at: 0, map: 'events' },
      { kind: 'map_value', at: 2, map: '.rodata', offset: 24 },
    ]);
    const maps = new Map([
      ['events', 3],
      ['.rodata', 4],
    ]);
    expect(parseAssembly(text, { maps }).relocations).toEqual([]);
    expect(hex(text, { maps })).toBe(
      '1811000003000000 0000000000000000 1822000004000000 0000000018000000 9500000000000000',
    );
  });

  test('lines say where each instruction came from', () => {
    expect(parseAssembly('\n  r0 = 0x1 ll ; one\n\n0002: exit', { file: 'one.s' }).lines).toEqual([
      { at: 0, text: 'r0 = 0x1 ll', file: 'one.s', line: 2, column: 3 },
      { at: 2, text: 'exit', file: 'one.s', line: 4, column: 7 },
    ]);
  });

  test('an empty text is an empty program', () => {
    expect(parseAssembly('; nothing\n').instructions).toEqual([]);
  });
});

describe('mistakes', () => {
  test.each<[string, string]>([
    ['exut', "1:1: expected an instruction, found 'exut'; did you mean 'exit'?"],
    ['  5', "1:3: expected an instruction, found '5'"],
    [
      'r1',
      "1:3: expected '=', '+=', '-=', '*=', '/=', '|=', '&=' or '%=' (or 6 more) after 'r1', found the end of the line",
    ],
    ['r1 += w2', "1:7: expected a number or a register (r0 to r10) after '+=', found 'w2'"],
    ['r1 += 5 6', "1:9: expected the end of the line after '5', found '6'"],
    ['r11 = 5', '1:1: there is no register r11; they are r0 to r10'],
    ['r1 = -r2', "1:7: expected 'r1' again, found 'r2'; both are one field of the instruction"],
    ['r1 = be16 r2', "1:11: expected 'r1' again, found 'r2'; both are one field of the instruction"],
    ['if r1 == 5 gato +1', "1:12: expected 'goto' after '5', found 'gato'; did you mean 'goto'?"],
    ['if r1 == 5 goto', "1:16: expected where to jump (pc+3, +3 or a label) after 'goto', found the end of the line"],
    ['goto 5', "1:6: expected where to jump (pc+3, +3 or a label) after 'goto', found '5'"],
    ['goto pc+40000', '1:6: 40000 does not fit signed 16 bits; use gotol'],
    ['r1 = 0xffffffff', "1:6: 4294967295 does not fit signed 32 bits; write 'll' behind it for all 64 bits"],
    ['r1 += 0xffffffff', '1:7: 4294967295 does not fit signed 32 bits'],
    ['w1 = 0x100000000', '1:6: 4294967296 does not fit 32 bits'],
    ['r1 = 0x10000000000000000 ll', '1:6: 18446744073709551616 does not fit 64 bits'],
    ['r1 = *(u32 *)(r2 +40000)', '1:18: 40000 does not fit signed 16 bits'],
    [
      'r1 = *(u24 *)(r2 +4)',
      "1:8: expected 'u8', 's8', 'u16', 'u32', 'u64', 's16' or 's32' after '(', found 'u24'; did you mean 'u64'?",
    ],
    ['lock *(u16 *)(r2 +4) += r1', "1:8: expected 'u64' or 'u32' after '(', found 'u16'"],
    ['(bf) r1 = 5', "1:6: 'r1 = 5' has opcode 0xb7, but the listing says 0xbf"],
    [
      '0: b7 00 00 00 00 00 00 00 r1 = 0',
      "1:28: 'r1 = 0' is b7 01 00 00 00 00 00 00, but the listing says b7 00 00 00 00 00 00 00",
    ],
    ['0: exit\n2: exit', '2:4: the text goes on with slot 2, but slot 1 is missing'],
    ['4: exit', '1:4: the text goes on with slot 4, but slots 0 to 3 are missing'],
    ['0: r1 = 1 ll\n1: exit', '2:4: slot 1 is the second half of the wide instruction at slot 0'],
    ['0: exit\n0: r0 = 1', "2:1: slot 0 holds 'exit' already, from line 1"],
    ['0: ff 00 00 00 00 00 00 00 <unknown>', '1:28: llvm-objdump did not know this instruction; run it with --mcpu=v4'],
    ['goto out', "1:6: there is no label 'out'"],
    ['loop: goto lop', "1:12: there is no label 'lop'; did you mean 'loop'?"],
    ['goto end\nend:', "1:6: the label 'end' stands at the end, with no instruction after it"],
    ['a: exit\na: exit', "2:1: the label 'a' is defined before slot 0 already"],
    [
      'call bpf_map_lokup_elem',
      "1:6: there is no label and no helper 'bpf_map_lokup_elem'; did you mean 'bpf_map_lookup_elem'?",
    ],
    ['r1 = map[evens]', "1:10: there is no map 'evens'; did you mean 'events'?"],
    [
      'Disassembly of section xdp:\n0: exit\n\nDisassembly of section tc:\n0: exut\n',
      '4:1: a second section, tc, begins here; read one at a time (llvm-objdump -d -j tc)',
    ],
    [`goto ${'x'.repeat(100)} y`, `1:107: expected the end of the line after '${'x'.repeat(40)}...', found 'y'`],
    [`r1 += 1${'0'.repeat(100)}`, `1:7: 1${'0'.repeat(39)}... does not fit signed 32 bits`],
    [
      'r1 = ☃',
      "1:6: expected a number, a register (r0 to r10), '(', '-', '*', 'map', 'le16' or 'le32' (or 21 more) after '=', found '☃'",
    ],
  ])('%s', (text, message) => {
    const options = { helpers: new Map([['bpf_map_lookup_elem', 1]]), maps: new Map([['events', 1]]) };
    expect(issuesOf(text, options)).toEqual([message]);
  });

  test('all of a text are told, in the order of its lines, with what was expected and the nearest word', () => {
    let issues: unknown;
    try {
      parseAssembly('r0 = 0\n\n  goto nowhere\nr12 = 1\n  exit 0\nlock 5');
    } catch (error) {
      issues = error instanceof AssemblySyntaxError && error.issues;
    }
    expect(issues).toEqual([
      { line: 3, column: 8, message: "there is no label 'nowhere'" },
      { line: 4, column: 1, message: 'there is no register r12; they are r0 to r10' },
      {
        line: 5,
        column: 8,
        message: "expected the end of the line after 'exit', found '0'",
        expected: ['the end of the line'],
      },
      { line: 6, column: 6, message: "expected '*' after 'lock', found '5'", expected: ["'*'"] },
    ]);
  });

  test('a label out of a 16-bit reach names the remedy', () => {
    const text = `goto far\n${'r0 = 0\n'.repeat(32_768)}far: exit`;
    expect(issuesOf(text)).toEqual([
      "1:6: the label 'far' at slot 32769 is 32768 slots away, more than a 16-bit offset reaches; use gotol",
    ]);
    expect(parseAssembly(text.replace('goto', 'gotol')).instructions[0]?.imm).toBe(32_768);
  });

  test('anything is read or told to be wrong', () => {
    const words = [
      'r1',
      'w2',
      '=',
      '+=',
      '-',
      '5',
      '0x',
      '*',
      '(',
      'u8',
      ')',
      'if',
      'goto',
      'pc',
      '+3',
      'll',
      '[',
      ':',
      '#1',
      'call',
      '0:',
      '(b7)',
      ';',
    ];
    const lines = fc.array(
      fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 4 })), { maxLength: 8 }),
    );
    fc.assert(
      fc.property(lines, (parts) => {
        const text = parts.map((each) => each.join(' ')).join('\n');
        for (const issue of issuesOf(text)) expect(issue).toMatch(/^\d+:\d+: /);
      }),
      { numRuns: count(20_000), seed: seed('anything is read or wrong') },
    );
  }, 120_000);
});
