import { describe, expect, it, onTestFinished } from 'vitest';
import {
  add,
  and,
  assemble,
  call,
  exit,
  type Instruction,
  type Item,
  ja,
  jeq,
  label,
  lddw,
  ldx,
  loadMapValue,
  lsh,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R6,
  R7,
  R10,
  type Register,
  stx,
} from '../../engine/isa/index.ts';
import { createMap } from '../../engine/maps/index.ts';
import { BPF_F_RDONLY_PROG, type MapSpec } from '../../engine/object/index.ts';
import { createInterpreter, helperByName, kfuncByName, Memory } from '../../engine/vm/index.ts';
import {
  btfIdOf,
  createLinuxMap,
  type LinuxProgramSpec,
  loadLinuxProgram,
  testRun,
} from '../../sensors/linux/index.ts';
import { count, seed } from '../support/counts.ts';
import { testEnvironment } from '../support/environment.ts';
import { kernelSkip } from '../support/kernel.ts';
import { createRandom } from '../support/random.ts';

const skip = kernelSkip();
/** Where programs find their input and leave their results: bytes of a map's value. */
const IO: MapSpec = { name: 'io', type: 'array', keySize: 4, valueSize: 128, maxEntries: 1 };
const KEY = new Uint8Array(4);
const [OUT, RESULT, SIZE, FLAGS] = [64, 72, 80, 88];

const helper = (name: string): Item => call(helperByName(`bpf_${name}`)!.id);

/** Calls the kernel function at a place of the list that `both` is given. */
const kfunc = (n: number): Item => ({
  kind: 'instruction',
  slots: [{ opcode: 0x85, dst: 0, src: 2, offset: 0, imm: n }],
});

/** Puts r0 and the program's end behind a call. */
const finish: readonly Item[] = [stx('dw', R6, RESULT, R0), mov(R0, 0), exit()];

/** A program in both kernels: what it does to the value of the map io, on each side. */
function both(items: readonly Item[], more: readonly MapSpec[] = [], kfuncs: readonly string[] = []) {
  const specs = [IO, ...more];
  const { instructions, relocations } = assemble(items);
  const patched = (handle: (name: string) => number, kfunc: (name: string) => number): Instruction[] => {
    const result = instructions.map((instruction) =>
      instruction.opcode === 0x85 && instruction.src === 2
        ? { ...instruction, imm: kfunc(kfuncs[instruction.imm]!) }
        : instruction,
    );
    for (const relocation of relocations) {
      if (relocation.kind !== 'map' && relocation.kind !== 'map_value') throw new Error('a test has maps only');
      result[relocation.at] = { ...result[relocation.at]!, imm: handle(relocation.map) };
    }
    return result;
  };
  const linuxMaps = specs.map((spec) => {
    const map = createLinuxMap(spec);
    if (spec.flags === BPF_F_RDONLY_PROG) map.freeze();
    onTestFinished(() => map.close());
    return map;
  });
  const fdOf = (name: string) => linuxMaps.find(({ spec }) => spec.name === name)!.fd;
  const btfId = (name: string) => btfIdOf('func', name)!;
  const memory = new Memory(1 << 20);
  const maps = specs.map((spec, index) => createMap(memory, spec, index + 1));
  const handleOf = (name: string) => maps.find(({ spec }) => spec.name === name)!.handle;
  const ids = new Map(kfuncs.map((name) => [btfId(name), name]));
  const environment = testEnvironment({ memory, kfunc: (id) => kfuncByName(ids.get(id) ?? '') }, maps);
  const interpreter = createInterpreter({ instructions: patched(handleOf, btfId) }, environment, { checked: true });
  const [io, linuxIo] = [maps[0]!, linuxMaps[0]!];
  const load = (programType: LinuxProgramSpec['programType'], sleepable: boolean) => {
    const program = loadLinuxProgram({ name: 'result', programType, sleepable, instructions: patched(fdOf, btfId) });
    onTestFinished(() => program.close());
    return program;
  };
  let syscall: ReturnType<typeof load> | undefined;
  return {
    linux: (bytes: Uint8Array): Uint8Array => {
      syscall ??= load('syscall', true);
      linuxIo.update(KEY, bytes);
      testRun(syscall.fd, { contextIn: KEY });
      return Uint8Array.from(linuxIo.lookup(KEY) as Uint8Array);
    },
    ours: (bytes: Uint8Array): Uint8Array => {
      io.update(KEY, bytes);
      interpreter.run(0n);
      return io.lookup(KEY)!;
    },
    /** r0 of both as programs on a packet that they don't look at. */
    xdp: (): readonly [bigint, bigint] => {
      const program = load('xdp', false);
      const result = BigInt(testRun(program.fd, { dataIn: new Uint8Array(64) }).returnValue);
      program.close();
      return [BigInt.asUintN(32, interpreter.run(0n)), result];
    },
  };
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Bytes for the map io, with text at its start and numbers at SIZE and FLAGS. */
function input(text: Uint8Array, size: number, flags: number): Uint8Array {
  const bytes = new Uint8Array(IO.valueSize);
  bytes.set(text);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(SIZE, BigInt(size), true);
  view.setBigUint64(FLAGS, BigInt(flags), true);
  return bytes;
}

const constant = (name: string, text: string): MapSpec => {
  const value = bytesOf(`${text}\0`);
  const base = { name, type: 'array', keySize: 4, valueSize: value.length, maxEntries: 1 } as const;
  return { ...base, flags: BPF_F_RDONLY_PROG, contents: [[new Uint8Array(4), value]] };
};

describe.skipIf(skip)("helpers give what the running kernel's give", () => {
  it.each(['strtol', 'strtoul'] as const)('%s', (name) => {
    const { linux, ours } = both([
      loadMapValue(R6, 'io', 0),
      mov(R1, R6),
      ldx('dw', R2, R6, SIZE),
      and(R2, 31),
      add(R2, 1),
      ldx('dw', R3, R6, FLAGS),
      mov(R4, R6),
      add(R4, OUT),
      helper(name),
      ...finish,
    ]);
    const random = createRandom(seed(name));
    const pieces = [
      '0',
      '7',
      '9',
      'a',
      'F',
      '-',
      '+',
      ' ',
      '\t',
      '0x',
      '-0X',
      '18446744073709551615',
      '9223372036854775808',
      'z',
    ];
    const texts = [
      '',
      '-9223372036854775808',
      '-9223372036854775809',
      '18446744073709551616',
      '0xffffffffffffffff',
      '0x',
      '08',
      '\u00a05',
    ];
    for (let i = 0; i < count(20_000); i++) {
      const text =
        texts[i] ?? Array.from({ length: 1 + random.below(5) }, () => pieces[random.below(pieces.length)]).join('');
      const bytes = bytesOf(text).subarray(0, 32);
      const base = [0, 8, 10, 16, 0, 10, 7, 32][random.below(8)]!;
      const given = input(bytes, random.below(3) === 0 ? random.below(32) : Math.max(0, bytes.length - 1), base);
      given[OUT] = 0xee;
      expect({ text, base, bytes: ours(given) }).toEqual({ text, base, bytes: linux(given) });
    }
  });

  it.each(['', 'a', 'sh', '/etc/passwd', '\xe9'])("strncmp with '%s'", (text) => {
    const { linux, ours } = both(
      [
        loadMapValue(R6, 'io', 0),
        mov(R1, R6),
        ldx('dw', R2, R6, SIZE),
        and(R2, 31),
        add(R2, 1),
        loadMapValue(R3, 'text', 0),
        helper('strncmp'),
        ...finish,
      ],
      [constant('text', text)],
    );
    for (const other of ['', 'a', 'b', 's', 'sh', 'shell', '/etc/passwd', '/etc/passwe', '/etc/', '\xe9', 'e'])
      for (const size of [0, 1, 2, 5, 10, 11, 31]) {
        const given = input(bytesOf(other), size, 0);
        expect({ other, size, bytes: ours(given) }).toEqual({ other, size, bytes: linux(given) });
      }
  });

  it.each([
    'plain',
    '100%%',
    '%d %i %u',
    '%x %X',
    '%ld %lu %lx',
    '%lld|%llu|%llX',
    '[%5d][%-5d][%05d]',
    '[%+d][% d][%+05d]',
    '[%20lx][%-20lx][%020lx]',
    '%c%c%c',
    '[%5c][%-5c]',
    'é: %d',
    '%px',
    '[%20px]',
  ])("snprintf of '%s'", (format) => {
    const room = 40;
    const { linux, ours } = both(
      [
        loadMapValue(R6, 'io', 0),
        mov(R1, R6),
        ldx('dw', R2, R6, SIZE),
        and(R2, 63),
        loadMapValue(R3, 'format', 0),
        mov(R4, R6),
        add(R4, FLAGS),
        mov(R5, 24),
        helper('snprintf'),
        ...finish,
      ],
      [constant('format', format)],
    );
    const random = createRandom(seed(format));
    const values = [0n, 1n, 42n, 255n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 2n ** 63n, 2n ** 64n - 1n, 0x41n];
    for (let i = 0; i < count(2_000); i++) {
      const given = input(new Uint8Array(0), random.below(3) === 0 ? random.below(room) : room, 0);
      const view = new DataView(given.buffer);
      for (let n = 0; n < 3; n++) view.setBigUint64(FLAGS + 8 * n, values[random.below(values.length)]!, true);
      expect(ours(given)).toEqual(linux(given));
    }
  });

  it.each(['%s', '[%10s]', '[%-10s]', '%pI4', '%pi4', '%pI6', '%pi6', 'x%s.', '%pks', '%s %pI4'])(
    "snprintf of memory by '%s'",
    (format) => {
      const { linux, ours } = both(
        [
          loadMapValue(R6, 'io', 0),
          loadMapValue(R1, 'argument', 0),
          stx('dw', R10, -16, R1),
          stx('dw', R10, -8, R1),
          mov(R1, R6),
          mov(R2, 60),
          loadMapValue(R3, 'format', 0),
          mov(R4, R10),
          add(R4, -16),
          mov(R5, format.split('%').length * 8 - 8),
          helper('snprintf'),
          ...finish,
        ],
        [constant('format', format), constant('argument', 'shrike-was-here-')],
      );
      const given = input(new Uint8Array(0), 0, 0);
      expect(ours(given)).toEqual(linux(given));
    },
  );

  it.each([
    '%f',
    '%',
    '%5',
    '%sx',
    '%hd',
    '%p4',
    '%pI5',
    '%lc',
    '%.3d',
    '%#x',
    '%*d',

    '%d %d %d %d',
    '%llld',
    '%L',
  ])("refuses the format '%s'", (format) => {
    const program = (specs: readonly MapSpec[]) =>
      both(
        [
          loadMapValue(R6, 'io', 0),
          loadMapValue(R1, 'format', 0),
          mov(R2, specs[0]!.valueSize),
          mov(R3, R6),
          mov(R4, 24),
          helper('trace_vprintk'),
          ...finish,
        ],
        specs,
      );
    const { linux, ours } = program([constant('format', format)]);
    const given = input(new Uint8Array(0), 0, 0);
    const result = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(RESULT, true);
    expect(result(linux(given))).toBe(-22n);
    expect(result(ours(given))).toBe(-22n);
  });

  it('csum_diff', () => {
    const random = createRandom(seed('csum_diff'));
    const word = () => [0, 0xffff_ffff, random.below(0x1_0000_0000)][random.below(3)]!;
    const put = (at: number, words: number): Item[] =>
      Array.from({ length: words }, (_, n) => [mov(R7, word() | 0), stx('w', R10, at + 4 * n, R7)]).flat();
    for (let i = 0; i < count(5_000); i++) {
      const [from, to] = [random.below(5), random.below(5)];
      const buffer = (register: Register, words: number, at: number): Item[] =>
        words === 0 ? [mov(register, 0)] : [mov(register, R10), add(register, at)];
      const items = [
        ...[...put(-32, from), ...put(-64, to)],
        ...[...buffer(R1, from, -32), mov(R2, from * 4), ...buffer(R3, to, -64), mov(R4, to * 4)],
        ...[lddw(R5, BigInt(word())), helper('csum_diff'), exit()],
      ];
      const [ours, linux] = both(items).xdp();
      expect(ours).toBe(linux);
    }
  });

  it('a dynptr over memory is read, written and bounded', () => {
    const value: MapSpec = { name: 'value', type: 'array', keySize: 4, valueSize: 32, maxEntries: 1 };
    const dynptr = [mov(R4, R10), add(R4, -16)];
    const { linux, ours } = both(
      [
        loadMapValue(R6, 'io', 0),
        loadMapValue(R1, 'value', 0),
        mov(R2, 32),
        ldx('dw', R3, R6, FLAGS),
        ...dynptr,
        helper('dynptr_from_mem'),
        stx('dw', R6, RESULT, R0),
        mov(R1, R10),
        add(R1, -16),
        ldx('dw', R2, R6, SIZE),
        mov(R3, R6),
        mov(R4, 8),
        mov(R5, 0),
        helper('dynptr_write'),
        stx('dw', R6, OUT, R0),
        mov(R1, R6),
        add(R1, 16),
        mov(R2, 8),
        mov(R3, R10),
        add(R3, -16),
        ldx('dw', R4, R6, SIZE),
        mov(R5, 0),
        helper('dynptr_read'),
        stx('dw', R6, FLAGS + 8, R0),
        mov(R1, R10),
        add(R1, -16),
        ldx('dw', R2, R6, SIZE),
        mov(R3, 4),
        helper('dynptr_data'),
        jeq(R0, 0, 'none'),
        ldx('w', R7, R0, 0),
        stx('w', R6, FLAGS + 16, R7),
        label('none'),
        mov(R0, 0),
        exit(),
      ],
      [value],
    );
    for (const flags of [0, 1])
      for (const offset of [0, 8, 20, 24, 25, 28, 29, 32, 33, 0xffff_ffff]) {
        const given = input(bytesOf('abcdefghijklmnopqrstuvwxyz'), offset, flags);
        expect({ flags, offset, bytes: ours(given) }).toEqual({ flags, offset, bytes: linux(given) });
      }
  });

  it('a number iterator counts from start to end', () => {
    const iterator = [mov(R1, R10), add(R1, -8)];
    const kfuncs = ['bpf_iter_num_new', 'bpf_iter_num_next', 'bpf_iter_num_destroy'];
    const items: Item[] = [
      loadMapValue(R6, 'io', 0),
      ...iterator,
      ldx('w', R2, R6, SIZE),
      ldx('w', R3, R6, FLAGS),
      kfunc(0),
      stx('dw', R6, RESULT, R0),
      mov(R7, 0),
      label('next'),
      ...iterator,
      kfunc(1),
      jeq(R0, 0, 'end'),
      ldx('w', R1, R0, 0),
      lsh(R7, 1),
      add(R7, R1),
      ja('next'),
      label('end'),
      stx('dw', R6, OUT, R7),
      ...iterator,
      kfunc(2),
      mov(R0, 0),
      exit(),
    ];
    const { linux, ours } = both(items, [], kfuncs);
    for (const [start, end] of [
      [0, 0],
      [0, 5],
      [-3, 3],
      [5, 0],
      [7, 8],
      [0, 8_388_609],
      [-2147483648, 2147483647],
      [2147483645, 2147483647],
    ] as const) {
      const given = input(new Uint8Array(0), start >>> 0, end >>> 0);
      expect({ start, end, bytes: ours(given) }).toEqual({ start, end, bytes: linux(given) });
    }
  });

  const STRINGS = [
    '',
    'a',
    'b',
    'abc',
    'abcabc',
    'shrike',
    '/etc/passwd',
    'passwd',
    '  x',
    'x=y=z',
    '=',
    'x'.repeat(20),
    '\xe9',
  ];
  it.each([
    ['bpf_strcmp', 2],
    ['bpf_strchr', 1],
    ['bpf_strchrnul', 1],
    ['bpf_strnchr', 1],
    ['bpf_strrchr', 1],
    ['bpf_strlen', 0],
    ['bpf_strnlen', 0],
    ['bpf_strspn', 2],
    ['bpf_strcspn', 2],
    ['bpf_strstr', 2],
    ['bpf_strnstr', 2],
  ] as const)('%s', (name, kind) => {
    if (btfIdOf('func', name) === undefined) return;
    const second = kind === 2 ? [mov(R2, R6), add(R2, 32)] : [ldx('dw', R2, R6, SIZE)];
    const third = name === 'bpf_strnchr' ? ldx('w', R3, R6, FLAGS) : ldx('dw', R3, R6, SIZE);
    const { linux, ours } = both(
      [loadMapValue(R6, 'io', 0), mov(R1, R6), ...second, third, kfunc(0), ...finish],
      [],
      [name],
    );
    const random = createRandom(seed(name));
    for (let i = 0; i < count(5_000); i++) {
      const [text, other] = [random.pick(STRINGS), random.pick(STRINGS)];
      const character = random.pick([0, 0x61, 0x63, 0x78, 0x3d, 0xe9, 0x161]);
      const given = input(
        bytesOf(text),
        kind === 1 && name !== 'bpf_strnchr' ? character : random.below(12),
        character,
      );
      given.set(bytesOf(other), 32);
      expect({ text, other, bytes: ours(given) }).toEqual({ text, other, bytes: linux(given) });
    }
  });
});
