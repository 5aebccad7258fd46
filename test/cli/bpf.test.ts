import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AsmOptions, asm } from '../../cli/bpf-asm.ts';
import { disasm } from '../../cli/bpf-disasm.ts';
import type { Input } from '../../cli/bpf-input.ts';
import { inspect } from '../../cli/bpf-inspect.ts';
import { runProgram } from '../../cli/bpf-run.ts';
import { type VerifyOptions, verifyPrograms } from '../../cli/bpf-verify.ts';
import { OPCODES } from '../../engine/isa/index.ts';
import { clangSkip, compileC } from '../support/clang.ts';
import { at, jsonLines } from '../support/cli.ts';
import { shrike } from '../support/command.ts';
import { count, seed } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';
import { type Printed, printed } from '../support/output.ts';

const input = (text: string | Uint8Array, name = 'program.s'): Input => ({
  name,
  bytes: typeof text === 'string' ? new TextEncoder().encode(text) : text,
});
const assemble = (text: string | Uint8Array, options: AsmOptions = {}): Printed =>
  printed((output) => asm(input(text), options, output));
const show = (text: string | Uint8Array, section?: string): Printed =>
  printed((output) => disasm(input(text), { ...(section !== undefined && { section }) }, output));
const check = (text: string | Uint8Array, options: VerifyOptions = {}): Printed =>
  printed((output) => verifyPrograms(input(text), options, output));

describe('bpf asm', () => {
  it('prints bytes, a slot a line; helpers by name', () => {
    // Bytes: RFC 9669's tables.
    expect(assemble('call bpf_ktime_get_ns\nr1 = 0x100000002 ll\nexit\n')).toEqual({
      code: 0,
      text: `85 00 00 00 05 00 00 00
18 01 00 00 02 00 00 00
00 00 00 00 01 00 00 00
95 00 00 00 00 00 00 00
`,
    });
  });

  it('writes them to a file', () => {
    const file = join(temporaryFolder(), 'program.bin');
    expect(assemble('r0 = 0\nexit', { output: file })).toEqual({ code: 0, text: `${file}: 2 slots, 16 bytes\n` });
    expect([...readFileSync(file)]).toEqual([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('translates classic BPF, as text and raw', () => {
    const text = '1\n6 0 0 262144\n';
    const raw = Uint8Array.of(6, 0, 0, 0, 0, 0, 4, 0);
    for (const filter of [text, raw, '06 00 00 00 00 00 04 00']) {
      expect(assemble(filter, { classic: 'seccomp' })).toEqual({
        code: 0,
        text: `b4 00 00 00 00 00 00 00
b4 07 00 00 00 00 00 00
bf 16 00 00 00 00 00 00
b4 00 00 00 00 00 04 00
95 00 00 00 00 00 00 00
`,
      });
    }
  });

  it('tells all mistakes of a text under their lines', () => {
    expect(assemble('  r0 = 0\n  r11 += 1\n  cal bpf_ktime_get_n\n  call bpf_ktime_get_n\n  goto on\n')).toEqual({
      code: 2,
      text: '',
      error: `program.s: 4 mistakes
program.s:2:3: error[assembly]: there is no register r11; they are r0 to r10
    2 |   r11 += 1
      |   ^
program.s:3:3: error[assembly]: expected an instruction, found 'cal'; did you mean 'call'?
    3 |   cal bpf_ktime_get_n
      |   ^
program.s:4:8: error[assembly]: there is no label and no helper 'bpf_ktime_get_n'; did you mean 'bpf_ktime_get_ns'?
    4 |   call bpf_ktime_get_n
      |        ^
program.s:5:8: error[assembly]: there is no label 'on'
    5 |   goto on
      |        ^`,
    });
  });

  it.each<[string, string | Uint8Array, AsmOptions, string]>([
    ['nothing', '; nothing\n', {}, 'program.s has no instruction'],
    [
      'an object',
      Uint8Array.of(0x7f, 0x45, 0x4c, 0x46),
      {},
      'program.s is an ELF object already; see it with "shrike bpf disasm"',
    ],
    [
      'a map by name',
      'r1 = map[events]\nexit',
      {},
      "program.s: slot 0 refers to the map 'events' by name, which only an object can; give its number as map[id:4]",
    ],
    [
      'a broken filter',
      '1\n6 0 0\n',
      { classic: 'socket' },
      "program.s: line 2: expected four decimal numbers (code jt jf k), found '6 0 0'",
    ],
    [
      'a filter that the kernel refuses',
      '2\n52 0 0 0\n6 0 0 0\n',
      { classic: 'socket' },
      'program.s: instruction 0: div by the constant 0',
    ],
  ])('refuses %s', (_, text, options, error) => {
    expect(assemble(text, options)).toEqual({ code: 2, text: '', error });
  });
});

describe('bpf disasm', () => {
  it('shows hexadecimal, raw bytes and assembly alike, as bpftool does', () => {
    const text = `   0: (85) call bpf_ktime_get_ns#5
   1: (18) r1 = 0x100000002 ll
   3: (55) if r0 != 0x0 goto pc+1
   4: (b7) r0 = 1
   5: (95) exit
`;
    const { text: hex } = assemble(text);
    const raw = Uint8Array.from(hex.trim().split(/\s+/), (byte) => Number.parseInt(byte, 16));
    for (const form of [text, hex, hex.replaceAll(/\s/g, ''), raw]) expect(show(form)).toEqual({ code: 0, text });
  });

  it('tells reserved fields that are set', () => {
    expect(show('b7 20 00 00 01 00 00 00 95 00 00 00 00 00 00 00')).toEqual({
      code: 0,
      text: `   0: (b7) r0 = 1  ; reserved: src is 2, not 0
   1: (95) exit
`,
    });
  });

  it.each([
    ['nothing', '', undefined, 'program.s has no instruction'],
    [
      'what is no instruction',
      'ff 00 00 00 00 00 00 00',
      undefined,
      'program.s: byte 0: RFC 9669 has no instruction with opcode 0xff, src 0, offset 0, imm 0',
    ],
    [
      'sections of no object',
      '95 00 00 00 00 00 00 00',
      'xdp',
      'program.s is no ELF object and has no sections; leave out --section',
    ],
    [
      'an object that ends early',
      Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0),
      undefined,
      expect.stringMatching(/^program\.s: /),
    ],
  ])('refuses %s', (_, bytes, section, error) => {
    expect(show(bytes, section)).toEqual({ code: 2, text: '', error });
  });
});

describe('bpf verify', () => {
  const PROGRAM = 'r0 = *(u8 *)(r1 +3)\nr0 <<= 65\nexit';

  it('plain programs on memory, profile isa', () => {
    expect(check(PROGRAM, { memory: 4 })).toEqual({
      code: 0,
      text: 'program.s (isa): accepted, 3 instructions explored, no stack\n',
    });
    expect(check('*(u64 *)(r10 -16) = 1\nr0 = 0\nexit', { json: true })).toEqual({
      code: 0,
      text: '{"type":"program","program":"program.s","section":"isa","accepted":true,"explored":3,"stackDepth":16}\n',
    });
  });

  it('what is refused, with reason, line, registers and path', () => {
    expect(check(`  r0 = 0\n  if r2 == 0x3 goto out\nout:\n  ${PROGRAM}`, { memory: 3 })).toEqual({
      code: 1,
      text: `program.s (isa): refused
  slot 2: r0 = *(u8 *)(r1 +3): reads 1 byte at offset 3 of the memory, which has 3 bytes
  from       program.s:4:3: r0 = *(u8 *)(r1 +3)
  registers  r1=mem(3) r10=fp
  path       0 1 2
  the way there, with what each instruction changed:
    0: r0 = 0                                        r0=0
    1: if r2 == 0x3 goto pc+0
    2: r0 = *(u8 *)(r1 +3)
`,
    });
  });

  it('profile linux refuses what Linux does', () => {
    expect(check(PROGRAM, { memory: 4, profile: 'linux' })).toEqual({
      code: 1,
      text: `program.s (isa): refused
  slot 1: r0 <<= 65: a shift by 65 is not below the width of 64 bits
  from       program.s:2:1: r0 <<= 65
`,
    });
  });

  it('programs of a type, and of a section', () => {
    const filter = 'r0 = *(u32 *)(r1 +0)\nexit';
    expect(check(filter, { type: 'socket_filter' }).text).toBe(
      'program.s (socket): accepted, 2 instructions explored, no stack\n',
    );
    expect(check('r0 = *(u64 *)(r1 +0)\nexit', { section: 'xdp' })).toMatchObject({ code: 1 });
    expect(check('r0 = 2\nexit', { section: 'xdp', level: '6.1' }).text).toBe(
      'program.s (xdp): accepted, 2 instructions explored, no stack\n',
    );
  });

  it.each<[string, VerifyOptions, string]>([
    [
      'an unknown type',
      { type: 'kprob' },
      'there is no program type "kprob"; did you mean "kprobe"? There are isa, socket_filter, kprobe, ',
    ],
    [
      'a type that hooks make different',
      { type: 'tracing' },
      'programs of type tracing get what their hook gives; name it with --section, as in --section tp_btf/sys_exit',
    ],
    ['an unknown section', { section: 'xpd' }, 'section "xpd" names no hook that libbpf knows; did you mean "xdp"?'],
    ['BTF that is none', { type: 'xdp', btf: 'package.json' }, "can't read BTF from package.json: "],
  ])('ends with exit code 2 for %s', (_, options, error) => {
    expect(check('r0 = 0\nexit', options)).toEqual({ code: 2, text: '', error: expect.stringContaining(error) });
  });
});

describe.skipIf(clangSkip())("an object of clang's", () => {
  const bytes = clangSkip() === undefined ? compileC(at('test/cli/bpf-object.c')) : new Uint8Array();
  const object = input(bytes, 'object.o');

  it('inspect: programs, maps, relocations and BTF as tables', () => {
    expect(printed((output) => inspect(object, {}, output))).toEqual({
      code: 0,
      text: `object.o: 3 programs, 1 map, license GPL

programs
  name      section           type            slots  functions  relocations  lines
  pass      xdp               xdp                12          1            1      5
  careless  raw_tp/sys_enter  raw_tracepoint      8          1            1      4
  pid       ?raw_tp/sys_exit  raw_tracepoint      3          1            1      2

maps
  name    type  key  value  entries  flags
  counts  hash    4      8       64  0x0

relocations
  program   slot  what
  pass         3  map counts
  careless     3  map counts
  pid          1  field_byte_offset of task_struct.pid

BTF: 27 types
  5 pointer, 5 int, 3 array, 3 func_proto, 3 func, 2 typedef, 2 struct, 2 var, 2 datasec
`,
    });
  });

  it('inspect --json: a line each', () => {
    const lines = jsonLines(printed((output) => inspect(object, { json: true }, output)).text);
    expect(lines).toHaveLength(9);
    expect(lines).toMatchObject([
      { type: 'object', name: 'object.o', license: 'GPL', programs: 3, maps: 1 },
      { type: 'program', name: 'pass', section: 'xdp', programType: 'xdp', instructions: 12, optional: false },
      { type: 'relocation', program: 'pass', at: 3, kind: 'map', text: 'map counts' },
      { type: 'program', name: 'careless' },
      { type: 'relocation', program: 'careless' },
      { type: 'program', name: 'pid', optional: true },
      { type: 'relocation', program: 'pid', at: 1, kind: 'core', text: 'field_byte_offset of task_struct.pid' },
      { type: 'map', name: 'counts', kind: 'hash', keySize: 4, valueSize: 8, maxEntries: 64, flags: 0 },
      { type: 'btf', types: 27, kinds: { struct: 2 } },
    ]);
  });

  it('disasm: under its source lines, with maps and members by name', () => {
    expect(printed((output) => disasm(object, { section: 'pass' }, output))).toEqual({
      code: 0,
      text: `pass (xdp): 12 slots
pass:
        ; u32 key = 7;
     0: *(u32 *)(r10 -4) = 7
     1: r2 = r10
     2: r2 += -4
        ; u64 *count = lookup(&counts, &key);
     3: r1 = map[counts]
     5: call bpf_map_lookup_elem#1
        ; if (count) *count += 1;
     6: if r0 == 0x0 goto pc+3
     7: r1 = *(u64 *)(r0 +0)
     8: r1 += 1
     9: *(u64 *)(r0 +0) = r1
        ; return 2;
    10: w0 = 2
    11: exit
`,
    });
    expect(
      printed((output) => disasm(object, { section: 'raw_tp/sys_exit' }, output)).text,
    ).toBe(`pid (raw_tp/sys_exit): 3 slots
pid:
        ; struct task_struct *task = (void *)current_task();
     0: call bpf_get_current_task#35
        ; return __builtin_preserve_field_info(task->pid, 0);
     1: r0 = 0  ; field_byte_offset of task_struct.pid
     2: exit
`);
  });

  it('verify: each program, refusals with their source line', () => {
    const { code, text } = printed((output) => verifyPrograms(object, {}, output));
    expect(code).toBe(1);
    expect(
      text.replace(/from .*\//, 'from       '),
    ).toBe(`pass (xdp): accepted, 11 instructions explored, 4 bytes of stack
careless (raw_tp/sys_enter): refused
  slot 6: r0 = *(u64 *)(r0 +0): r0 may be null; compare it with 0 first
  from       bpf-object.c:34:10: return *count;
  registers  r0=map_value_or_null(counts) r10=fp fp-8=mmmm????
  path       0 1 2 3 5 6
  the way there, with what each instruction changed:
    0: *(u32 *)(r10 -4) = 7                          fp-8=mmmm????
    1: r2 = r10                                      r2=fp
    2: r2 += -4                                      r2=fp-4
    3: r1 = map[counts]                              r1=map(counts)
    5: call bpf_map_lookup_elem#1                    r0=map_value_or_null(counts) r1=? r2=?
    6: r0 = *(u64 *)(r0 +0)
pid (raw_tp/sys_exit): accepted, 3 instructions explored, no stack
`);
  });

  it('verify --json: reason, place and line for machines', () => {
    const { text } = printed((output) => verifyPrograms(object, { json: true, section: 'careless' }, output));
    expect(jsonLines(text)).toMatchObject([
      {
        type: 'program',
        program: 'careless',
        section: 'raw_tp/sys_enter',
        accepted: false,
        reason: 'r0 may be null; compare it with 0 first',
        at: 6,
        path: [0, 1, 2, 3, 5, 6],
        line: { text: 'return *count;', line: 34, column: 10 },
      },
    ]);
  });

  it('names sections and programs that it has, where there is none of that name', () => {
    expect(printed((output) => verifyPrograms(object, { section: 'raw_tp/sys_entr' }, output))).toEqual({
      code: 2,
      text: '',
      error:
        'object.o has no section or program "raw_tp/sys_entr"; did you mean "raw_tp/sys_enter"? It has pass (xdp), careless (raw_tp/sys_enter), pid (raw_tp/sys_exit)',
    });
  });

  it('verify --memory is not for objects', () => {
    expect(printed((output) => verifyPrograms(object, { memory: 4 }, output))).toEqual({
      code: 2,
      text: '',
      error: '--memory is for programs of type isa; an object says itself what its programs get',
    });
  });
});

it('inspect takes ELF objects only', () => {
  expect(printed((output) => inspect(input('r0 = 0'), {}, output))).toEqual({
    code: 2,
    text: '',
    error:
      'program.s is no ELF object; compile one with "clang -target bpf -g -O2 -c", or see instructions with "shrike bpf disasm"',
  });
});

describe('whatever comes in, there is an answer', () => {
  const commands: Readonly<Record<string, (bytes: Uint8Array) => Printed>> = {
    asm: (bytes) => assemble(bytes),
    'asm --classic socket': (bytes) => assemble(bytes, { classic: 'socket' }),
    'asm --classic seccomp': (bytes) => assemble(bytes, { classic: 'seccomp' }),
    disasm: (bytes) => show(bytes),
    verify: (bytes) => check(bytes, { memory: 8 }),
    'verify --type socket_filter': (bytes) => check(bytes, { type: 'socket_filter', btf: 'none' }),
    inspect: (bytes) => printed((output) => inspect(input(bytes), {}, output)),
    run: (bytes) => printed((output) => runProgram(input(bytes), '0011', { engine: 'interpreter' }, output)),
  };
  const slot = fc
    .tuple(fc.constantFrom(...OPCODES), fc.uint8Array({ minLength: 7, maxLength: 7 }))
    .map(([{ opcode }, rest]) => [
      opcode,
      rest[0]! % 11,
      ...rest.subarray(1, 3).map((byte) => byte % 3),
      ...rest.subarray(3),
    ]);
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.array(slot, { maxLength: 10 }).map((slots) => Uint8Array.from([...slots.flat(), 0x95, 0, 0, 0, 0, 0, 0, 0])),
    fc.uint8Array({ maxLength: 80 }).map((bytes) => Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, ...bytes)),
    fc.string().map((text) => new TextEncoder().encode(text)),
  );

  it.each(Object.keys(commands))(
    'bpf %s',
    (name) => {
      fc.assert(
        fc.property(anything, (bytes) => {
          const { code, error } = commands[name]!(bytes);
          expect([0, 1, 2]).toContain(code);
          if (code === 2) expect(error).not.toBe('');
        }),
        { numRuns: count(5000), seed: seed(`bpf ${name} of anything`) },
      );
    },
    120_000,
  );
});

describe('the command as it is built', () => {
  /** Runs it with something on standard input. */
  const piped = (text: string, ...args: readonly string[]): Printed => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [at('dist/cli/main.js'), 'bpf', ...args], {
      input: text,
      encoding: 'utf8',
    });
    return { code: status ?? -1, text: stdout, ...(stderr !== '' && { error: stderr }) };
  };

  it('assembles and runs what comes through pipes', () => {
    const { text: hex } = piped('r0 = *(u8 *)(r1 +0)\nr0 += r2\nexit\n', 'asm');
    expect(hex).toBe('71 10 00 00 00 00 00 00\n0f 20 00 00 00 00 00 00\n95 00 00 00 00 00 00 00\n');
    expect(piped(hex, 'run', 'fe01')).toEqual({ code: 0, text: '100\n' });
    expect(piped('95', 'run')).toEqual({
      code: 2,
      text: '',
      error:
        'shrike: standard input: byte 0: the program ends inside an instruction; its length, 1, is no multiple of 8\n',
    });
  });

  it('reads files', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'program.s');
    writeFileSync(file, 'r0 = 1\nexut\n');
    expect(await shrike('bpf', 'asm', file)).toEqual({
      code: 2,
      stdout: '',
      stderr: `shrike: program.s: 1 mistake
program.s:2:1: error[assembly]: expected an instruction, found 'exut'; did you mean 'exit'?
    2 | exut
      | ^
`,
    });
    expect(await shrike('bpf', 'verify', join(folder, 'missing.o'))).toEqual({
      code: 2,
      stdout: '',
      stderr: `shrike: can't read ${folder}/missing.o: there is no such file\n`,
    });
    expect(await shrike('bpf', 'disasm', folder)).toMatchObject({
      code: 2,
      stderr: `shrike: can't read ${folder}: it is a folder\n`,
    });
  });

  it('says which engines there are', async () => {
    expect(await shrike('bpf', 'run', '--engine', 'jitt')).toEqual({
      code: 2,
      stdout: '',
      stderr:
        "shrike: option '--engine <name>' argument 'jitt' is invalid. Allowed choices are interpreter, jit, kernel.\n",
    });
  });
});
