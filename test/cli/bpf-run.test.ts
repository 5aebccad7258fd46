import { describe, expect, it } from 'vitest';
import { ENGINES, type EngineName } from '../../cli/bpf-engines.ts';
import type { Input } from '../../cli/bpf-input.ts';
import { type RunOptions, runProgram } from '../../cli/bpf-run.ts';
import { decode, encode, type Instruction, parseAssembly } from '../../engine/isa/index.ts';
import { ownVectors } from '../conformance/vectors.ts';
import { conformanceVectors } from '../support/cases.ts';
import { kernelSkip } from '../support/kernel.ts';
import { type Printed, printed } from '../support/output.ts';
import { rawSlots, ubpfBytes } from '../support/ubpf.ts';

const input = (text: string | Uint8Array): Input => ({
  name: 'standard input',
  bytes: typeof text === 'string' ? new TextEncoder().encode(text) : text,
});
const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
const bytesOf = (assembly: string): Uint8Array => encode(parseAssembly(assembly).instructions);

const run = (program: string | Uint8Array, memory?: string, options: Partial<RunOptions> = {}): Printed =>
  printed((output) => runProgram(input(program), memory, { engine: 'interpreter', ...options }, output));

describe.each(ENGINES)('the engine %s', (engine) => {
  const skip = engine === 'kernel' ? kernelSkip() : undefined;

  it.skipIf(skip)('prints r0 in hexadecimal', () => {
    const program = hex(bytesOf('r0 = *(u16 *)(r1 +2)\nr0 += r2\nexit'));
    expect(run(program, '01020304', { engine })).toEqual({ code: 0, text: '407\n' });
    expect(run(program, '01 02 03 04', { engine })).toEqual({ code: 0, text: '407\n' });
    expect(run(bytesOf('r0 = -1\nexit'), undefined, { engine })).toEqual({ code: 0, text: 'ffffffffffffffff\n' });
  });

  it.skipIf(skip)('measures', () => {
    const { code, text } = run(hex(bytesOf('r0 = 7\nexit')), undefined, { engine, bench: 20 });
    expect(code).toBe(0);
    expect(JSON.parse(text)).toEqual({
      engine,
      r0: '0x7',
      runs: 20,
      nsPerRun: expect.any(Number),
      compileMs: expect.any(Number),
    });
  });
});

const plugin = (instructions: readonly Instruction[], memory: Uint8Array, engine: EngineName): Printed =>
  run(hex(encode(instructions)), hex(memory), { engine });

const vectors = conformanceVectors();

describe.skipIf(!vectors).each(['interpreter', 'jit'] as const)(
  'as a plugin of the conformance runner, engine %s',
  (engine) => {
    it.each(vectors ?? [])('$name', ({ asm, raw, memory, result }) => {
      const instructions = decode(raw === undefined ? ubpfBytes(asm ?? '') : rawSlots(raw));
      expect(plugin(instructions, memory, engine)).toEqual({ code: 0, text: `${result?.toString(16)}\n` });
    });
  },
);

it.each(ownVectors().filter(({ name }) => !name.startsWith('callx')))(
  'verifies and runs: $name',
  ({ bytes, memory, result }) => {
    expect(plugin(decode(bytes), memory, 'jit')).toEqual({ code: 0, text: `${result.toString(16)}\n` });
  },
);

describe('what can not run ends with exit code 2 and says why', () => {
  it.each<[string, string | Uint8Array, string | undefined, string]>([
    [
      'more instructions than a program may have',
      'b7 00 00 00 01 00 00 00 '.repeat(1_000_001),
      undefined,
      'the verifier refuses the program: slot 0: r0 = 1: the program has 1000001 slots, at most 1000000 are allowed',
    ],
    ['nothing', '', undefined, "standard input is empty; expected the program's bytes in hexadecimal"],
    [
      'text',
      'r0 = 1',
      undefined,
      `standard input: byte 0 is 'r0'; expected two hexadecimal digits a byte, as in "b7 00 00 00"`,
    ],
    [
      'half an instruction',
      'b7 00 00 00',
      undefined,
      'standard input: byte 0: the program ends inside an instruction; its length, 4, is no multiple of 8',
    ],
    [
      'an unknown opcode',
      'ff 00 00 00 00 00 00 00',
      undefined,
      'standard input: byte 0: RFC 9669 has no instruction with opcode 0xff, src 0, offset 0, imm 0',
    ],
    [
      'a reserved field',
      '95 00 00 00 01 00 00 00',
      undefined,
      'standard input: byte 0: the field imm is reserved here and must be 0, it is 1',
    ],
    [
      'an ELF object',
      Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0),
      undefined,
      'standard input is an ELF object; run takes the bytes of one program',
    ],
    [
      'memory that is no hexadecimal',
      hex(bytesOf('r0 = 0\nexit')),
      '01xx',
      `the memory: byte 1 is 'xx'; expected two hexadecimal digits a byte, as in "b7 00 00 00"`,
    ],
    [
      'a load beyond the memory',
      hex(bytesOf('r0 = *(u32 *)(r1 +1)\nexit')),
      '01020304',
      'the verifier refuses the program: slot 0: r0 = *(u32 *)(r1 +1): reads 4 bytes at offset 1 of the memory, which has 4 bytes',
    ],
  ])('%s', (_, program, memory, error) => {
    expect(run(program, memory)).toEqual({ code: 2, text: '', error });
  });

  it.skipIf(kernelSkip())("Linux's reason, and its log", () => {
    const { code, text, error } = run(hex(bytesOf('r0 = 1\nr0 <<= 64\nexit')), undefined, { engine: 'kernel' });
    expect({ code, text }).toEqual({ code: 2, text: '' });
    expect(error).toMatch(/^the kernel refuses it: program "memory" \(syscall\): .* EINVAL: invalid shift 64 /);
    expect(error).toMatch(/\n7: \(67\) r0 <<= 64\ninvalid shift 64\n/);
  });

  it.skipIf(kernelSkip())('more memory than a context holds', () => {
    const long = '00'.repeat(32_761);
    expect(run(hex(bytesOf('r0 = r2\nexit')), long, { engine: 'kernel' })).toEqual({
      code: 2,
      text: '',
      error: '--engine kernel: a program can be given at most 32760 bytes, not 32761',
    });
    expect(run(hex(bytesOf('r0 = r2\nexit')), long.slice(2), { engine: 'kernel' })).toEqual({
      code: 0,
      text: '7ff8\n',
    });
  });
});
