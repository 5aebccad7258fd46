import { describe, expect, it } from 'vitest';
import type { Instruction } from '../../../engine/isa/index.ts';
import {
  type Btf,
  createBtfBuilder,
  type ElfObject,
  hookOfSection,
  type ProgramSpec,
  parseBtf,
  RelocationError,
  readElf,
  relocate,
  relocateProgram,
  withKconfig,
} from '../../../engine/object/index.ts';
import { VerifierError, verify } from '../../../engine/verifier/index.ts';
import { helperById } from '../../../engine/vm/index.ts';
import { clangSkip, compileC } from '../../support/clang.ts';
import { PRELUDE } from './sources.ts';

const skip = clangSkip();
const compile = (text: string): ElfObject => readElf(compileC(PRELUDE + text, { flags: ['-w'] }), 'a.o');

/** A kernel with `int bpf_known(u64)`, the variable `int runs` and the struct task_struct { int pid; }. */
function kernel(): Btf {
  const builder = createBtfBuilder();
  const int = builder.int('int', 4, true);
  const u64 = builder.int('long long unsigned int', 8);
  builder.func('bpf_known', builder.funcProto(int, [{ name: 'n', type: u64 }]));
  builder.variable('runs', int, 'global');
  builder.struct('task_struct', 4, [{ name: 'pid', type: int, offset: 0 }]);
  return parseBtf(builder.bytes());
}

const fitted = (object: ElfObject, options: { address?: (name: string) => bigint | undefined } = {}) => {
  const [program] = object.programs;
  if (!program) throw new Error('no program');
  return relocateProgram(program, { maps: () => 7, btf: kernel(), object, ...options });
};
const message = (run: () => unknown): string => {
  try {
    run();
    return 'no error';
  } catch (error) {
    if (error instanceof RelocationError) return error.message;
    throw error;
  }
};
const wide = (instructions: readonly Instruction[], src: number): bigint[] =>
  instructions.flatMap((one, at) =>
    one.opcode === 0x18 && one.src === src
      ? [(BigInt(instructions[at + 1]?.imm ?? 0) << 32n) | BigInt(one.imm >>> 0)]
      : [],
  );

describe.skipIf(skip)(`relocations of an object${skip ? `: ${skip}` : ''}`, () => {
  it('make calls of kernel functions and addresses of kernel variables by their BTF id', () => {
    const object = compile(`extern int bpf_known(u64 n) __ksym; extern const int runs __ksym;
      SEC("raw_tp/x") int p(void *c) { return bpf_known(3) + runs; }`);
    const { instructions, poisoned } = fitted(object);
    const btf = kernel();
    expect(poisoned.size).toBe(0);
    expect(instructions.filter(({ opcode }) => opcode === 0x85)).toEqual([
      { opcode: 0x85, dst: 0, src: 2, offset: 0, imm: btf.find('func', 'bpf_known') },
    ]);
    expect(wide(instructions, 3)).toEqual([BigInt(btf.find('var', 'runs') ?? -1)]);
  });

  it('refuse kernel functions and variables that are missing and not weak', () => {
    expect(
      message(() =>
        fitted(compile('extern int bpf_knwon(u64 n) __ksym; SEC("xdp") int p(void *c) { return bpf_knwon(3); }')),
      ),
    ).toBe(
      'program "p", instruction 1: this kernel has no function "bpf_knwon", nearest is "bpf_known"; declare it __weak and guard the call with bpf_ksym_exists(bpf_knwon)',
    );
    expect(
      message(() => fitted(compile('extern const int other __ksym; SEC("xdp") int p(void *c) { return other; }'))),
    ).toBe(
      'program "p", instruction 0: this kernel\'s BTF has no variable or function "other"; declare it __weak to have 0',
    );
  });

  it('refuse kernel functions and variables whose types are others', () => {
    expect(
      message(() =>
        fitted(
          compile('extern int bpf_known(u64 n, u64 m) __ksym; SEC("xdp") int p(void *c) { return bpf_known(3, 4); }'),
        ),
      ),
    ).toBe(
      'program "p", instruction 2: "bpf_known" has another type in this kernel than the object declares; correct its declaration',
    );
    expect(
      message(() => fitted(compile('extern int *const runs __ksym; SEC("xdp") int p(void *c) { return runs != 0; }'))),
    ).toBe(
      'program "p", instruction 0: "runs" has another type in this kernel than the object declares; correct its declaration',
    );
  });

  it('give addresses of symbols without a type where they are known', () => {
    const object = compile(
      'extern const void somewhere __ksym; SEC("xdp") int p(void *c) { return (u64)&somewhere >> 32; }',
    );
    expect(wide(fitted(object, { address: () => 0xffff_8000_1234_5678n }).instructions, 0)).toEqual([
      BigInt.asIntN(64, 0xffff_8000_1234_5678n),
    ]);
    expect(message(() => fitted(object))).toBe(
      'program "p", instruction 0: the address of kernel symbol "somewhere" is not known; declare it with its type, or __weak to have 0',
    );
    const weak = compile(
      'extern const void somewhere __ksym __weak; SEC("xdp") int p(void *c) { return &somewhere != 0; }',
    );
    expect(wide(fitted(weak).instructions, 0)).toEqual([0n]);
  });

  const GUARDED = `extern int bpf_unknown(u64 n) __ksym __weak;
    struct task_struct { int pid; int gone; } __core;
    SEC("raw_tp/sys_enter") int p(u64 *c) {
      int sum = 0;
      if (bpf_unknown) sum += bpf_unknown(3);
      if (__builtin_preserve_field_info(((struct task_struct *)0)->gone, 2)) {
        sum += *(volatile int *)__builtin_preserve_access_index(&((struct task_struct *)c)->gone);
      }
      return sum;
    }`;

  const verified = (object: ElfObject, program: ProgramSpec<string>): string => {
    const btf = kernel();
    const { instructions, poisoned } = relocateProgram(program, { maps: () => 7, btf, object });
    const hook = hookOfSection(program.hook, btf);
    const context = { name: 'p', hook, btf, map: () => undefined, helper: helperById, lines: program.lines, poisoned };
    try {
      verify(instructions, context);
      return 'accepted';
    } catch (error) {
      if (error instanceof VerifierError) return error.message;
      throw error;
    }
  };

  it('let what a kernel lacks stand in code that is never reached', () => {
    const object = compile(GUARDED);
    const { poisoned } = fitted(object);
    expect([...poisoned.values()].sort()).toEqual([
      'task_struct.gone: task_struct has no member "gone" in this kernel; guard it with bpf_core_field_exists()',
      'this kernel has no function "bpf_unknown"; guard the call with bpf_ksym_exists(bpf_unknown)',
    ]);
    for (const program of object.programs) expect(verified(object, program)).toBe('accepted');
  });

  it('refuse what a kernel lacks where it is reached, by name', () => {
    const object = compile(`struct task_struct { int pid; int gone; } __core;
      SEC("raw_tp/sys_enter") int p(u64 *c) { return ((struct task_struct *)c)->gone; }`);
    for (const program of object.programs)
      expect(verified(object, program)).toContain(
        'task_struct.gone: task_struct has no member "gone" in this kernel; guard it with bpf_core_field_exists()',
      );
  });

  it('want to know what they read of the configuration', () => {
    const object = compile(`extern int LINUX_KERNEL_VERSION __kconfig; extern u64 CONFIG_HZ __kconfig __weak;
      extern char CONFIG_NAME[8] __kconfig __weak; extern _Bool CONFIG_SMP __kconfig __weak;
      SEC("xdp") int p(void *c) { return LINUX_KERNEL_VERSION + CONFIG_HZ + CONFIG_NAME[0] + CONFIG_SMP; }`);
    expect(object.kconfig.map(({ name, offset, size, weak }) => [name, offset, size, weak])).toEqual([
      ['CONFIG_HZ', 0, 8, true],
      ['LINUX_KERNEL_VERSION', 8, 4, false],
      ['CONFIG_NAME', 12, 8, true],
      ['CONFIG_SMP', 20, 1, true],
    ]);
    expect(message(() => fitted(object))).toMatch(
      /^program "p", instruction \d+: LINUX_KERNEL_VERSION is not known for this kernel; give its value, or declare it __weak to have 0$/,
    );
    const known = withKconfig(object, {
      LINUX_KERNEL_VERSION: 0x06_0c_05,
      CONFIG_HZ: '250',
      CONFIG_NAME: 'ab',
      CONFIG_SMP: 'y',
    });
    expect(message(() => fitted(known))).toBe('no error');
    expect(known.maps.find(({ name }) => name === '.kconfig')).toMatchObject({
      valueSize: 21,
      flags: 0x80,
      contents: [
        [new Uint8Array(4), Uint8Array.of(250, 0, 0, 0, 0, 0, 0, 0, 5, 12, 6, 0, 97, 98, 0, 0, 0, 0, 0, 0, 1)],
      ],
    });
    expect(() => withKconfig(object, { LINUX_KERNEL_VERSION: 2 ** 40 })).toThrow(
      new RangeError('LINUX_KERNEL_VERSION: 1099511627776 does not fit signed 32 bits'),
    );
    expect(() => withKconfig(object, { CONFIG_HZ: 'fast' })).toThrow(
      new RangeError('CONFIG_HZ: "fast" is no number, and neither y, m nor n'),
    );
    expect(() => withKconfig(object, { CONFIG_NAME: 'too long a name' })).toThrow(
      new RangeError('CONFIG_NAME: a text of 15 bytes; there is room for 7'),
    );
  });
});

describe('relocations by name', () => {
  it('are errors where the kernel lacks something, as nothing guards them', () => {
    const program: ProgramSpec<string> = {
      name: 'p',
      hook: 'raw_tp/sys_enter',
      instructions: [],
      relocations: [{ kind: 'map', at: 3, map: 'm' }],
      lines: [],
    };
    expect(message(() => relocate(program, () => 1, kernel()))).toBe(
      'program "p", instruction 3: a relocation names it, but the program has 0 slots',
    );
  });
});
