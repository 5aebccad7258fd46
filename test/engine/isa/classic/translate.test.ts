import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { memoryHook, noTypes } from '../../../../cli/bpf-hook.ts';
import {
  ClassicError,
  type ClassicInstruction,
  type ClassicKind,
  checkClassic,
  decodeClassic,
  parseClassic,
  translateClassic,
} from '../../../../engine/isa/index.ts';
import { verify } from '../../../../engine/verifier/index.ts';
import { runOn } from '../../../conformance/machines.ts';
import { count, seed } from '../../../support/counts.ts';
import { interpretClassic } from './interpret.ts';

const ALU = [0x0, 0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x9, 0xa];
const words = fc.oneof(
  fc.constantFrom(0, 1, 2, 31, 32, 0x7fff, 0x8000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
  fc.integer({ min: 0, max: 70 }),
  fc.integer({ min: 0, max: 0xffff_ffff }),
);
const instruction = (
  codes: readonly number[],
  k: fc.Arbitrary<number>,
  jumps: fc.Arbitrary<number> = fc.constant(0),
): fc.Arbitrary<ClassicInstruction> => fc.record({ code: fc.constantFrom(...codes), jt: jumps, jf: jumps, k });

const common = [
  instruction([...ALU.map((code) => (code << 4) | 0x0c), 0x84, 0x07, 0x87, 0x16, 0x80, 0x81], fc.constant(0)),
  instruction(
    ALU.filter((code) => code !== 6 && code !== 7).map((code) => (code << 4) | 0x04),
    words.map((k) => k || 1),
  ),
  instruction([0x64, 0x74], fc.integer({ min: 0, max: 31 })),
  instruction([0x15, 0x25, 0x35, 0x45, 0x1d, 0x2d, 0x3d, 0x4d], words, fc.integer({ min: 0, max: 5 })),
  instruction([0x05], fc.integer({ min: 0, max: 6 })),
  instruction([0x00, 0x01, 0x06], words),
  instruction([0x02, 0x03, 0x60, 0x61], fc.integer({ min: 0, max: 3 })),
];
const SOCKET = fc.oneof(
  ...common,
  instruction(
    [0x20, 0x28, 0x30, 0xb1],
    fc.oneof(fc.integer({ min: 0, max: 70 }), fc.constantFrom(0x7fff, 0x8000, 0x7fff_fffe, 0x9000_0000)),
  ),
  instruction([0x40, 0x48, 0x50], fc.oneof(fc.integer({ min: 0, max: 70 }), words)),
  fc.constant({ code: 0x20, jt: 0, jf: 0, k: 0xffff_f028 }),
);
const SECCOMP = fc.oneof(
  ...common,
  instruction(
    [0x20],
    fc.integer({ min: 0, max: 15 }).map((word) => word * 4),
  ),
);

/** Any filter: words of M[] are written first, jumps stay inside, a ret ends it. */
const filters = (each: fc.Arbitrary<ClassicInstruction>): fc.Arbitrary<ClassicInstruction[]> =>
  fc.array(each, { minLength: 1, maxLength: 40 }).map((body) => {
    const stores = [0, 1, 2, 3].map((k) => ({ code: 0x02, jt: 0, jf: 0, k }));
    const all = [...stores, ...body, { code: 0x16, jt: 0, jf: 0, k: 0 }];
    return all.map((made, at) => {
      const room = all.length - at - 2;
      if ((made.code & 7) !== 5) return made;
      if (made.code === 0x05) return { ...made, k: Math.min(made.k, room) };
      return { ...made, jt: Math.min(made.jt, room), jf: Math.min(made.jf, room) };
    });
  });

const withoutMod = (program: readonly ClassicInstruction[]) =>
  program.map((each) => ((each.code & 0xf7) === 0x94 ? { ...each, code: 0x04 } : each));

describe('translated filters give what classic BPF gives', () => {
  test.each<[ClassicKind, string]>([
    ['socket', 'interpreter'],
    ['socket', 'checked interpreter'],
    ['socket', 'JIT'],
    ['seccomp', 'checked interpreter'],
    ['seccomp', 'checked JIT'],
  ])(
    '%s, in the %s',
    (kind, machine) => {
      const programs = kind === 'socket' ? filters(SOCKET) : filters(SECCOMP).map(withoutMod);
      const data =
        kind === 'socket'
          ? fc.uint8Array({ minLength: 1, maxLength: 64 })
          : fc.uint8Array({ minLength: 64, maxLength: 64 });
      fc.assert(
        fc.property(programs, data, (program, packet) => {
          const { r0 } = runOn(machine, translateClassic(program, kind), packet);
          expect(r0).toBe(BigInt(interpretClassic(program, packet, kind)));
        }),
        { numRuns: count(10_000), seed: seed(`classic ${kind} in the ${machine}`) },
      );
    },
    120_000,
  );

  test.each<ClassicKind>(['socket', 'seccomp'])(
    'and the verifier takes them: %s',
    (kind) => {
      const programs = kind === 'socket' ? filters(SOCKET) : filters(SECCOMP).map(withoutMod);
      fc.assert(
        fc.property(programs, fc.integer({ min: 0, max: 64 }), (program, length) => {
          const size = kind === 'seccomp' ? 64 : length;
          const { explored } = verify(translateClassic(program, kind), {
            name: kind,
            profile: 'isa',
            hook: memoryHook(size),
            btf: noTypes(),
            map: () => undefined,
            helper: () => undefined,
          });
          expect(explored).toBeGreaterThan(0);
        }),
        { numRuns: count(5000), seed: seed(`classic ${kind} in the verifier`) },
      );
    },
    120_000,
  );

  test('an empty packet has no byte', () => {
    const program = [
      { code: 0x30, jt: 0, jf: 0, k: 0 },
      { code: 0x06, jt: 0, jf: 0, k: 5 },
    ];
    expect(runOn('interpreter', translateClassic(program, 'socket'), new Uint8Array(0)).r0).toBe(0n);
  });

  test('the longest filter, jumped over from its first instruction to its last', () => {
    const program = [
      { code: 0x05, jt: 0, jf: 0, k: 4094 },
      ...Array<ClassicInstruction>(4094).fill({ code: 0x48, jt: 0, jf: 0, k: 1 }),
      { code: 0x06, jt: 0, jf: 0, k: 7 },
    ];
    expect(runOn('interpreter', translateClassic(program, 'socket'), Uint8Array.of(1)).r0).toBe(7n);
  });
});

const make = (...instructions: readonly (readonly [code: number, jt: number, jf: number, k: number])[]) =>
  instructions.map(([code, jt, jf, k]) => ({ code, jt, jf, k }));
const RET = [0x06, 0, 0, 0] as const;

describe('what the kernel refuses', () => {
  test.each<[string, ClassicInstruction[], ClassicKind, number | undefined, string]>([
    ['an empty filter', [], 'socket', undefined, 'the filter is empty; it needs at least a ret'],
    [
      'a filter of 4,097 instructions',
      make(...Array<typeof RET>(4097).fill(RET)),
      'socket',
      undefined,
      'the filter has 4097 instructions, at most 4096 are allowed',
    ],
    ['an unknown code', make([0xff, 0, 0, 0], RET), 'socket', 0, 'instruction 0: 0xff is no code of classic BPF'],
    ['ret x', make([0x0e, 0, 0, 0]), 'socket', 0, 'instruction 0: 0x0e is no code of classic BPF'],
    ['no ret at the end', make(RET, [0x07, 0, 0, 0]), 'socket', 1, 'instruction 1: the last instruction must be a ret'],
    ['a division by 0', make([0x34, 0, 0, 0], RET), 'socket', 0, 'instruction 0: div by the constant 0'],
    ['a modulo by 0', make([0x94, 0, 0, 0], RET), 'socket', 0, 'instruction 0: mod by the constant 0'],
    [
      'a shift by 32',
      make([0x64, 0, 0, 32], RET),
      'socket',
      0,
      'instruction 0: a shift by 32 is not below the width of 32 bits',
    ],
    [
      'M[16]',
      make([0x02, 0, 0, 16], RET),
      'socket',
      0,
      'instruction 0: there is no M[16]; the scratch memory is M[0] to M[15]',
    ],
    [
      'a word of M that was never written',
      make([0x60, 0, 0, 3], RET),
      'socket',
      0,
      'instruction 0: reads M[3], which not every path to here has written',
    ],
    [
      'a word of M that only one path has written',
      make([0x15, 0, 1, 5], [0x02, 0, 0, 3], [0x61, 0, 0, 3], RET),
      'socket',
      2,
      'instruction 2: reads M[3], which not every path to here has written',
    ],
    [
      'a jump beyond the end',
      make([0x05, 0, 0, 1], RET),
      'socket',
      0,
      'instruction 0: the jump goes to instruction 2, the filter has instructions 0 to 1',
    ],
    [
      'a jump where true beyond the end',
      make([0x15, 1, 0, 0], RET),
      'socket',
      0,
      'instruction 0: the jump where true goes to instruction 2, the filter has instructions 0 to 1',
    ],
    [
      'a jump where false beyond the end',
      make([0x15, 0, 7, 0], RET),
      'socket',
      0,
      'instruction 0: the jump where false goes to instruction 8, the filter has instructions 0 to 1',
    ],
    [
      'data that only the kernel has',
      make([0x28, 0, 0, 0xffff_f000], RET),
      'socket',
      0,
      'instruction 0: SKF_AD_PROTOCOL is what the kernel knows about a packet; this machine has only its bytes',
    ],
    [
      'data that nobody has',
      make([0x20, 0, 0, 0xffff_ff00], RET),
      'socket',
      0,
      'instruction 0: SKF_AD_OFF + 3840 names no data of the kernel',
    ],
    [
      'offsets from the network header',
      make([0x20, 0, 0, 0xfff0_0004], RET),
      'socket',
      0,
      "instruction 0: SKF_NET_OFF counts from a header that the kernel knows; this machine has only the packet's bytes, use offsets from its first",
    ],
    [
      'a byte of seccomp_data',
      make([0x30, 0, 0, 0], RET),
      'seccomp',
      0,
      'instruction 0: seccomp filters load whole words at fixed offsets only',
    ],
    [
      'an indirect load of seccomp_data',
      make([0x40, 0, 0, 0], RET),
      'seccomp',
      0,
      'instruction 0: seccomp filters load whole words at fixed offsets only',
    ],
    [
      'a word beyond seccomp_data',
      make([0x20, 0, 0, 64], RET),
      'seccomp',
      0,
      'instruction 0: offset 64 is no word of seccomp_data; its words begin at 0, 4, ... 60',
    ],
    [
      'half a word of seccomp_data',
      make([0x20, 0, 0, 2], RET),
      'seccomp',
      0,
      'instruction 0: offset 2 is no word of seccomp_data; its words begin at 0, 4, ... 60',
    ],
    ['mod in seccomp', make([0x94, 0, 0, 5], RET), 'seccomp', 0, 'instruction 0: seccomp filters have no mod'],
  ])('%s', (_, program, kind, at, message) => {
    let error: unknown;
    try {
      checkClassic(program, kind);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(ClassicError);
    expect(error).toMatchObject({ at, message });
    expect(() => translateClassic(program, kind)).toThrow(message);
  });
});

describe('reading', () => {
  test('raw struct sock_filter', () => {
    expect(decodeClassic(Uint8Array.of(0x15, 0, 1, 2, 0x78, 0x56, 0x34, 0xf2))).toEqual([
      { code: 0x15, jt: 1, jf: 2, k: 0xf2345678 },
    ]);
    expect(() => decodeClassic(new Uint8Array(12))).toThrow(
      new ClassicError({ at: 1 }, 'the filter ends inside an instruction; its length, 12, is no multiple of 8'),
    );
  });

  test.each([
    ['', 'the text is empty; expected what tcpdump -ddd prints'],
    ['one\n6 0 0 0', "line 1: expected the number of instructions, found 'one'"],
    ['4097', 'line 1: a filter has at most 4096 instructions, not 4097'],
    ['2\n6 0 0 0\n', 'line 2: the first line promises 2 instructions, but there are 1'],
    ['1\n6 0 0\n', "line 2: expected four decimal numbers (code jt jf k), found '6 0 0'"],
    ['1\n\n6 0 0 0x5\n', "line 3: expected four decimal numbers (code jt jf k), found '6 0 0 0x5'"],
    ['1\n6 256 0 0\n', 'line 2: jt is at most 255, not 256'],
    ['1\n6 0 0 4294967296\n', 'line 2: k is at most 4294967295, not 4294967296'],
  ])('refuses %j', (text, message) => {
    expect(() => parseClassic(text)).toThrow(message);
  });
});
