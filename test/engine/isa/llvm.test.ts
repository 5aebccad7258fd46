import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  encode,
  type Instruction,
  OPCODES,
  type Opcode,
  opcodeNamed,
  parseAssembly,
  SLOT_BYTES,
} from '../../../engine/isa/index.ts';
import { clangSkip } from '../../support/clang.ts';
import { count, seed } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { corpusNames, corpusObject } from '../../support/objects.ts';
import { instances } from './instances.ts';

const [MC, OBJDUMP, OBJCOPY] = ['llvm-mc-19', 'llvm-objdump-19', 'llvm-objcopy-19'];

/** The bytes of .text that llvm-mc makes of a text. */
function llvmBytes(text: string): Uint8Array {
  const object = llvmObject(text);
  const headers = execFileSync(OBJDUMP, ['-h', object], { encoding: 'utf8' });
  const size = Number.parseInt(/ \.text\s+([0-9a-f]+)/.exec(headers)?.[1] ?? '', 16);
  const section = execFileSync(OBJCOPY, ['-O', 'binary', '--only-section=.text', object, '-']);
  expect(section.length).toBe(size);
  return new Uint8Array(section);
}

function llvmObject(text: string): string {
  const object = join(temporaryFolder(), 'program.o');
  const args = ['-triple', 'bpf', '-mcpu=v4', '-filetype=obj', '-', '-o', object];
  const { status, stderr } = spawnSync(MC, args, { input: text, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${MC}: ${stderr}`);
  return object;
}

/** llvm-objdump's listing of slots. */
function llvmListing(bytes: Uint8Array, ...options: readonly string[]): string {
  const path = join(temporaryFolder(), 'bytes.s');
  writeFileSync(path, `program:\n${[...bytes].map((byte) => `.byte ${byte}`).join('\n')}\n`);
  const object = llvmObject(`.include "${path}"\n`);
  return execFileSync(OBJDUMP, ['-d', '--mcpu=v4', ...options, object], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
}

const hex = (bytes: Uint8Array): string[] =>
  Array.from({ length: bytes.length / SLOT_BYTES }, (_, slot) =>
    Buffer.from(bytes.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES)).toString('hex'),
  );

const JUMP_SIGNS = ['==', '!=', '>', '>=', '<', '<=', '&', 's>', 's>=', 's<', 's<='];
const ALU_SIGNS = ['=', '+=', '-=', '*=', '/=', '|=', '&=', '<<=', '>>=', '%=', '^=', 's>>=', 's/=', 's%='];

/** LLVM's notation of every form that llvm-mc 19 assembles (BPFInstrInfo.td). */
const LLVM_TEXTS = [
  ...ALU_SIGNS.flatMap((sign) => [`r3 ${sign} r10`, `w3 ${sign} w9`, `r1 ${sign} -7`, `w1 ${sign} 2147483647`]),
  ...['r7 = -r7', 'w8 = -w8', 'r1 = (s8)r2', 'r1 = (s16)r2', 'r1 = (s32)r2', 'w1 = (s8)w2', 'w1 = (s16)w2'],
  ...['le', 'be', 'bswap'].flatMap((swap) => [16, 32, 64].map((bits) => `r4 = ${swap}${bits} r4`)),
  ...JUMP_SIGNS.flatMap((sign) => [
    `if r1 ${sign} r2 goto +3`,
    `if w1 ${sign} w2 goto -3`,
    `if r1 ${sign} -1 goto +32767`,
    `if w1 ${sign} 2147483647 goto -32768`,
  ]),
  ...['goto +5', 'goto -5', 'gotol +7', 'gotol -7', 'may_goto +2', 'call 1', 'callx r2', 'exit'],
  ...['u8', 'u16', 'u32', 'u64'].flatMap((type) => [
    `r1 = *(${type} *)(r2 + 4)`,
    `*(${type} *)(r10 - 8) = r3`,
    `*(${type} *)(r10 - 32768) = -5`,
  ]),
  ...['u8', 'u16', 'u32'].flatMap((type) => [`w1 = *(${type} *)(r2 + 32767)`, `*(${type} *)(r10 - 8) = w3`]),
  ...['s8', 's16', 's32'].map((type) => `r1 = *(${type} *)(r2 + 4)`),
  ...['+=', '|=', '&=', '^='].flatMap((sign) => [
    `lock *(u64 *)(r1 + 8) ${sign} r2`,
    `lock *(u32 *)(r1 - 8) ${sign} w2`,
  ]),
  ...['add', 'or', 'and', 'xor'].flatMap((name) => [
    `r2 = atomic_fetch_${name}((u64 *)(r1 + 8), r2)`,
    `w2 = atomic_fetch_${name}((u32 *)(r1 + 8), w2)`,
  ]),
  ...['r2 = xchg_64(r1 + 8, r2)', 'w2 = xchg32_32(r1 + 8, w2)'],
  ...['r0 = cmpxchg_64(r1 + 8, r0, r2)', 'w0 = cmpxchg32_32(r1 + 8, w0, w2)'],
  ...['r1 = 0x123456789abcdef0 ll', 'r1 = -1 ll', 'r1 = 0 ll', 'ld_pseudo r1, 1, 5', 'ld_pseudo r1, 3, 5'],
  ...['u8', 'u16', 'u32'].flatMap((type) => [`r0 = *(${type} *)skb[12]`, `r0 = *(${type} *)skb[r6]`]),
];

/** LLVM has them from 20 on. */
const unknownToLlvm = (row: Opcode): boolean => row.operation === 'load_acquire' || row.operation === 'store_release';

/** What LLVM's disassembler shows less of than there is: the number added to a register, the second slot of a map value's address. */
const cutByLlvm = (row: Opcode): boolean =>
  row.operation === 'ldind' || row.name === 'lddw_map_value' || row.name === 'lddw_map_index_value';

describe.skipIf(clangSkip())('LLVM 19', () => {
  test.each(LLVM_TEXTS.map((text) => ({ text })))('knows what is tested: $text', ({ text }) => {
    expect(parseAssembly(text).instructions.length).toBeGreaterThan(0);
  });

  test('assembles its own notation to the same bytes', () => {
    const expected = hex(llvmBytes(LLVM_TEXTS.join('\n')));
    expect(hex(encode(parseAssembly(LLVM_TEXTS.join('\n')).instructions))).toEqual(expected);
    const covered = new Set(LLVM_TEXTS.flatMap((text) => parseAssembly(text).instructions.map(({ opcode }) => opcode)));
    const missing = OPCODES.filter((row) => !covered.has(row.opcode) && !unknownToLlvm(row)).map(({ name }) => name);
    expect(missing).toEqual([]);
  });

  test('places labels where we do', () => {
    const text = `
      r0 = 0
    again:
      r0 += 1
      r1 = 0x100000000 ll
      if r0 s< 5 goto again
      call helper
      gotol out
      goto again
    helper:
      if w0 == 7 goto out
      r0 = 1
    out:
      exit`;
    expect(hex(encode(parseAssembly(text).instructions))).toEqual(hex(llvmBytes(text)));
  });

  const rows = OPCODES.filter((row) => !unknownToLlvm(row) && !cutByLlvm(row));
  const program = (name: string, of: readonly Opcode[]): Instruction[] =>
    of.flatMap((row) => fc.sample(instances(row), { numRuns: count(500), seed: seed(`${name}: ${row.name}`) }).flat());

  test('its listing of any instruction reads back', () => {
    const instructions = program('listing', rows);
    expect(parseAssembly(llvmListing(encode(instructions))).instructions).toEqual(instructions);
  }, 120_000);

  test('so does its listing without addresses and bytes, where that says all', () => {
    const instructions = program(
      'bare listing',
      rows.filter((row) => row.operation !== 'lddw' && !['call_local', 'call_btf'].includes(row.name)),
    );
    const listing = llvmListing(encode(instructions), '--no-show-raw-insn', '--no-leading-addr');
    expect(parseAssembly(listing).instructions).toEqual(instructions);
  }, 120_000);

  test('what it shows less of than there is does not pass for the whole', () => {
    const { opcode } = opcodeNamed('ldindb', 'reg');
    expect(() => parseAssembly(llvmListing(encode([{ opcode, dst: 0, src: 6, offset: 0, imm: 12 }])))).toThrow(
      "'r0 = *(u8 *)skb[r6]' is 50 60 00 00 00 00 00 00, but the listing says 50 60 00 00 0c 00 00 00",
    );
  });

  test.each(corpusNames)("its listing of clang's objects reads back: %s", (name) => {
    const path = join(temporaryFolder(), 'object.o');
    writeFileSync(path, corpusObject(name).bytes);
    const listing = execFileSync(OBJDUMP, ['-d', '--mcpu=v4', path], { encoding: 'utf8' });
    const sections = listing.split(/^(?=Disassembly of section)/m).slice(1);
    expect(sections.length).toBeGreaterThan(0);
    for (const section of sections) {
      const column = [...section.matchAll(/^ *\d+:\t((?:[0-9a-f]{2}[ \t])+)/gm)].map(([, bytes = '']) => bytes);
      const bytes = Buffer.from(column.join('').replaceAll(/\s/g, ''), 'hex');
      expect(hex(encode(parseAssembly(section).instructions))).toEqual(hex(new Uint8Array(bytes)));
    }
  });
});
