import { describe, expect, it } from 'vitest';
import { type ElfObject, type ProgramSpec, parseBtf, readElf } from '../../../engine/object/index.ts';
import { clangSkip, compileC } from '../../support/clang.ts';
import { corpus } from '../../support/objects.ts';
import { type ListedFunction, listFunctions } from './llvm.ts';
import { PRELUDE, PROGRAMS_OF_EVERY_SORT } from './sources.ts';

const skip = clangSkip();
const CORE_NAMES: Readonly<Record<string, string>> = {
  byte_off: 'field_byte_offset',
  byte_sz: 'field_byte_size',
  field_exists: 'field_exists',
  signed: 'field_signed',
  lshift_u64: 'field_lshift_u64',
  rshift_u64: 'field_rshift_u64',
  local_type_id: 'type_id_local',
  target_type_id: 'type_id_target',
  type_exists: 'type_exists',
  type_size: 'type_size',
  type_matches: 'type_matches',
  enumval_exists: 'enumval_exists',
  enumval_value: 'enumval_value',
};

type Program = ProgramSpec<string>;

const read = (text: string, flags: readonly string[] = []): ElfObject =>
  readElf(compileC(PRELUDE + text, { flags: ['-w', ...flags] }), 'a.o');
const programNamed = ({ programs }: ElfObject, name: string): Program => {
  const found = programs.find((program) => program.name === name);
  if (!found) throw new Error(`no program ${name}`);
  return found;
};

/** Relocations of a program's own code, in the words of llvm-objdump's listing. */
function inWords(program: Program, listed: ListedFunction): { readonly core: unknown[]; readonly places: number[] } {
  const own = program.relocations.filter(({ at }) => at < listed.slots);
  return {
    core: own.flatMap((one) =>
      one.kind === 'core'
        ? [
            {
              slot: one.at,
              what: one.what,
              type: one.type,
              access: one.what.startsWith('enumval') ? undefined : one.access,
            },
          ]
        : [],
    ),
    places: own.filter(({ kind }) => kind !== 'core').map(({ at }) => at),
  };
}

describe.skipIf(skip)(`ELF objects beside what LLVM says of them${skip ? `: ${skip}` : ''}`, () => {
  const objects = skip
    ? []
    : [
        ...[...corpus()].map(({ name, bytes, object }) => [name, bytes, object] as const),
        ['every sort', compileC(PROGRAMS_OF_EVERY_SORT), readElf(compileC(PROGRAMS_OF_EVERY_SORT))] as const,
      ];

  it.each(objects)('%s: functions, relocations and lines', (_, bytes, object) => {
    const listed = listFunctions(bytes);
    const programs = listed.filter(({ section }) => section !== '.text');
    expect(object.programs.map(({ name }) => name).toSorted()).toEqual(programs.map(({ name }) => name).toSorted());
    for (const one of programs) {
      const program = programNamed(object, one.name);
      expect(program.optional ? `?${program.hook}` : program.hook).toBe(one.section);
      const calls = one.relocations.filter(({ type, symbol }) => type === 'R_BPF_64_32' && !symbol.startsWith('bpf_'));
      const callbacks = one.relocations.filter(
        ({ type, symbol }) => type === 'R_BPF_64_64' && symbol.startsWith('.text'),
      );
      const loaded = one.relocations.filter(
        (relocation) => !calls.includes(relocation) && !callbacks.includes(relocation),
      );
      const ours = inWords(program, one);
      expect(ours.places).toEqual(loaded.map(({ slot }) => slot));
      expect(ours.core).toEqual(one.core.map((core) => ({ ...core, what: CORE_NAMES[core.what] })));
      const lines = program.lines.filter(({ at }) => at < one.slots);
      for (const { slot, file, line } of one.lines) {
        const ours = lines.findLast(({ at }) => at <= slot);
        if (line > 0 && ours?.at === slot) expect([ours.file, ours.line]).toEqual([file, line]);
      }
      expect(lines[0]).toMatchObject({ at: 0 });
    }
    const text = new Map(listed.map(({ name, slots }) => [name, slots]));
    for (const program of object.programs) {
      const parts = program.functions ?? [];
      expect(parts[0]).toMatchObject({ at: 0, name: program.name, linkage: 'global' });
      for (const [index, part] of parts.entries())
        expect((parts[index + 1]?.at ?? program.instructions.length) - part.at).toBe(text.get(part.name));
    }
  });
});

describe.skipIf(skip)(`programs of an ELF object${skip ? `: ${skip}` : ''}`, () => {
  const [CALL, LDDW] = [0x85, 0x18];
  /** Names of the functions that a program calls, and of those whose address it takes, in the order of the code. */
  const called = ({ instructions, functions = [] }: Program): string[] =>
    instructions.flatMap(({ opcode, src, imm }, at) => {
      const isCall = opcode === CALL && src === 1;
      const isAddress = opcode === LDDW && src === 4;
      if (!isCall && !isAddress) return [];
      const target = functions.find((one) => one.at === at + imm + 1)?.name ?? `slot ${at + imm + 1}`;
      return isCall ? [target] : [`&${target}`];
    });

  it('bring the functions they call, each behind the one that calls it first', () => {
    const object = readElf(compileC(PROGRAMS_OF_EVERY_SORT));
    const main = programNamed(object, 'on_exec');
    expect(main.functions?.map(({ name, linkage }) => [name, linkage])).toEqual([
      ['on_exec', 'global'],
      ['each', 'static'],
      ['count', 'global'],
      ['scale', 'static'],
    ]);
    expect(called(main)).toEqual(['&each', 'count', 'scale']);
    expect(called(programNamed(object, 'optional'))).toEqual(['scale']);
    expect(programNamed(object, 'optional').optional).toBe(true);
    expect(main.optional).toBeUndefined();
    expect(object.license).toBe('GPL');
  });

  it('share a section, call each other through .text only, and recurse', () => {
    const object = read(
      `
      static __noinline u64 twice(u64 n) { return n * 2; }
      __noinline int down(u64 n) { return n == 0 ? 0 : down(twice(n) - 1); }
      SEC("raw_tp/x") int one(u64 *context) { return down(context[0]); }
      SEC("raw_tp/x") int two(u64 *context) { return twice(context[0]); }
      SEC("raw_tp/x") int three(void *context) { return 3; }`,
      ['-fno-optimize-sibling-calls'],
    );
    expect(
      object.programs.map(({ name, hook, functions = [] }) => [name, hook, functions.map((one) => one.name)]),
    ).toEqual([
      ['one', 'raw_tp/x', ['one', 'down', 'twice']],
      ['two', 'raw_tp/x', ['two', 'twice']],
      ['three', 'raw_tp/x', ['three']],
    ]);
    expect(called(programNamed(object, 'two'))).toEqual(['twice']);
    for (const name of called(programNamed(object, 'one'))) expect(['down', 'twice']).toContain(name);
  });

  it('have hidden functions verified where they are called', () => {
    const object = read(
      '__hidden __noinline int f(int n) { asm volatile(""); return n; } SEC("xdp") int p(void *c) { return f(1); }',
    );
    const { functions } = programNamed(object, 'p');
    expect(functions?.map(({ name, linkage }) => [name, linkage])).toEqual([
      ['p', 'global'],
      ['f', 'static'],
    ]);
    const { btf, btfBytes } = object;
    expect(btf?.type(btf.find('func', 'f') ?? 0)).toMatchObject({ linkage: 'static' });
    expect(btf?.type(btf.find('func', 'p') ?? 0)).toMatchObject({ linkage: 'global' });
    expect(btfBytes && parseBtf(btfBytes).type(btf?.find('func', 'f') ?? 0)).toMatchObject({ linkage: 'static' });
  });

  it('refer to variables by section and offset, static ones too', () => {
    const object = readElf(compileC(PROGRAMS_OF_EVERY_SORT));
    const values = programNamed(object, 'on_exec').relocations.flatMap((one) =>
      one.kind === 'map_value' ? [`${one.map}+${one.offset}`] : [],
    );
    expect(values).toEqual(['.kconfig+0', '.bss+0', '.data+0', '.data+8', '.rodata+0']);
    const data = object.maps.find(({ name }) => name === '.data');
    expect(data).toMatchObject({ type: 'array', keySize: 4, valueSize: 12, maxEntries: 1 });
    expect(data?.flags).toBeUndefined();
    expect(data?.contents).toEqual([[new Uint8Array(4), Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0)]]);
    expect(object.maps.find(({ name }) => name === '.rodata')).toMatchObject({
      valueSize: 4,
      flags: 0x80,
      contents: [[new Uint8Array(4), Uint8Array.of(42, 0, 0, 0)]],
    });
    expect(object.maps.find(({ name }) => name === '.bss')).toMatchObject({ valueSize: 4 });
  });

  it('refer to kernel functions and variables by name, weak or not', () => {
    const { relocations } = programNamed(readElf(compileC(PROGRAMS_OF_EVERY_SORT)), 'on_exec');
    expect(relocations.filter(({ kind }) => kind === 'kfunc' || kind === 'ksym')).toEqual([
      { kind: 'ksym', at: expect.any(Number), name: 'bpf_function', weak: true },
      { kind: 'kfunc', at: expect.any(Number), name: 'bpf_function', weak: true },
      { kind: 'ksym', at: expect.any(Number), name: 'runqueues', weak: false },
    ]);
    const untyped = read('extern const void address __ksym; SEC("xdp") int p(void *c) { return (long)&address; }');
    expect(programNamed(untyped, 'p').relocations).toEqual([
      { kind: 'ksym', at: 0, name: 'address', weak: false, address: true },
    ]);
  });

  it('are read without BTF too, where they need none', () => {
    const object = readElf(
      compileC(
        `${PRELUDE} int n; static __noinline int f(int v) { return v + n; } SEC("xdp") int p(void *c) { return f(n); }`,
        {
          flags: ['-w', '-g0'],
        },
      ),
    );
    expect(object.btf).toBeUndefined();
    expect(object.programs).toMatchObject([{ name: 'p', lines: [], relocations: [{ map: '.bss' }, { map: '.bss' }] }]);
    expect(object.programs[0]?.functions).toBeUndefined();
  });
});

describe.skipIf(skip)(`objects that can't be loaded${skip ? `: ${skip}` : ''}`, () => {
  const message = (text: string, flags: readonly string[] = []): string => {
    try {
      read(text, flags);
      return 'no error';
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    }
  };

  it.each([
    [
      'a static program',
      'static SEC("xdp") int p(void *c) { return 0; }',
      'section xdp, function "p": a program is static; programs must be visible, so take `static` away',
    ],
    [
      'a call of a program',
      'SEC("xdp") __noinline int p(int n) { asm volatile(""); return n; } SEC("tc") int q(void *c) { return p(1); }',
      'section .reltc, entry 0: "p" is a program; functions that are called must lie in .text, without a section of their own',
    ],
    [
      'a function that is only declared',
      'int f(int n); SEC("xdp") int p(void *c) { return f(1); }',
      'section .relxdp, entry 0: "f" is not defined in this object; define it, or declare it with __ksym or __kconfig and compile with -g',
    ],
    [
      'a variable with an address in it',
      'int n; int *const volatile where = &n; SEC("xdp") int p(void *c) { return *where; }',
      'section .rel.rodata, entry 0: a variable holds the address of "n", which eBPF has no way to keep; use an index or a map of maps',
    ],
    [
      'variables in a section of their own',
      'int n SEC("mine"); SEC("xdp") int p(void *c) { return n; }',
      'section .relxdp, entry 0: it refers to "n" in section mine, which is not loaded; variables belong in .data, .rodata or .bss',
    ],
    [
      'maps as they were written before BTF',
      'struct { u32 type, key_size; } m SEC("maps"); SEC("xdp") int p(void *c) { return 0; }',
      'section maps: maps of struct bpf_map_def are no longer read; write for example struct { __uint(type, BPF_MAP_TYPE_HASH); ... } name SEC(".maps");',
    ],
  ])('%s', (_, text, expected) => {
    expect(message(text)).toBe(`ElfError: a.o: ${expected}`);
  });

  it('maps without BTF', () => {
    expect(message('struct { __uint(type, 1); } m SEC(".maps");', ['-g0'])).toBe(
      'ElfError: a.o: section .maps: maps are defined by BTF, but there is none; compile with -g',
    );
  });

  it('programs that together are larger than memory should be', () => {
    const programs = Array.from({ length: 100 }, (_, i) => `SEC("xdp") int p${i}(void *c) { return f(${i}); }`);
    const bytes = compileC(
      `${PRELUDE} __noinline int f(int n) { asm volatile(".rept 60000\\nr1 += 1\\n.endr"); return n; } ${programs.join('\n')}`,
      { flags: ['-w'] },
    );
    const start = performance.now();
    expect(() => readElf(bytes, 'a.o')).toThrow(
      'a.o: program "p66": all programs with the functions they call have over 4000000 instructions, lines and references; call fewer functions from each',
    );
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
