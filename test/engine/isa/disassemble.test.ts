import { describe, expect, test } from 'vitest';
import {
  addField,
  assemble,
  call,
  decode,
  disassemble,
  exit,
  ldxField,
  loadMap,
  loadMapValue,
  movField,
  R1,
  R2,
  R3,
} from '../../../engine/isa/index.ts';

const slots = (hex: string) => decode(Uint8Array.from(hex.split(' '), (byte) => Number.parseInt(byte, 16)));

describe('disassemble', () => {
  // Texts follow the format strings of kernel/bpf/disasm.c (print_bpf_insn), wide constants LLVM's `ll`.
  test.each([
    ['79 10 08 00 00 00 00 00', 'r0 = *(u64 *)(r1 +8)'],
    ['71 65 f0 ff 00 00 00 00', 'r5 = *(u8 *)(r6 -16)'],
    ['81 65 04 00 00 00 00 00', 'r5 = *(s32 *)(r6 +4)'],
    ['7b 1a f8 ff 00 00 00 00', '*(u64 *)(r10 -8) = r1'],
    ['62 0a fc ff 4d 00 00 00', '*(u32 *)(r10 -4) = 77'],
    ['bf 21 00 00 00 00 00 00', 'r1 = r2'],
    ['b7 01 00 00 ff ff ff ff', 'r1 = -1'],
    ['0c 21 00 00 00 00 00 00', 'w1 += w2'],
    ['c7 03 00 00 20 00 00 00', 'r3 s>>= 32'],
    ['3f 32 01 00 00 00 00 00', 'r2 s/= r3'],
    ['94 01 01 00 03 00 00 00', 'w1 s%= 3'],
    ['bf 21 08 00 00 00 00 00', 'r1 = (s8)r2'],
    ['bc 21 10 00 00 00 00 00', 'w1 = (s16)w2'],
    ['87 09 00 00 00 00 00 00', 'r9 = -r9'],
    ['84 09 00 00 00 00 00 00', 'w9 = -w9'],
    ['d7 01 00 00 10 00 00 00', 'r1 = bswap16 r1'],
    ['dc 02 00 00 20 00 00 00', 'r2 = be32 r2'],
    ['d4 03 00 00 40 00 00 00', 'r3 = le64 r3'],
    ['65 01 03 00 05 00 00 00', 'if r1 s> 0x5 goto pc+3'],
    ['15 01 fe ff ff ff ff ff', 'if r1 == 0xffffffff goto pc-2'],
    ['5e 21 00 00 00 00 00 00', 'if w1 != w2 goto pc+0'],
    ['45 03 01 00 08 00 00 00', 'if r3 & 0x8 goto pc+1'],
    ['05 00 02 00 00 00 00 00', 'goto pc+2'],
    ['06 00 00 00 70 11 01 00', 'gotol pc+70000'],
    ['85 00 00 00 01 00 00 00', 'call unknown#1'],
    ['85 10 00 00 05 00 00 00', 'call pc+5'],
    ['95 00 00 00 00 00 00 00', 'exit'],
    ['db 21 00 00 00 00 00 00', 'lock *(u64 *)(r1 +0) += r2'],
    ['c3 21 04 00 a0 00 00 00', 'lock *(u32 *)(r1 +4) ^= r2'],
    ['db 21 00 00 01 00 00 00', 'r2 = atomic64_fetch_add((u64 *)(r1 +0), r2)'],
    ['c3 21 08 00 41 00 00 00', 'r2 = atomic_fetch_or((u32 *)(r1 +8), r2)'],
    ['db 31 08 00 e1 00 00 00', 'r3 = atomic64_xchg((u64 *)(r1 +8), r3)'],
    ['db 31 08 00 f1 00 00 00', 'r0 = atomic64_cmpxchg((u64 *)(r1 +8), r0, r3)'],
    ['18 01 00 00 78 56 34 12 00 00 00 00 00 00 00 00', 'r1 = 0x12345678 ll'],
    ['18 01 00 00 f0 de bc 9a 00 00 00 00 78 56 34 12', 'r1 = 0x123456789abcdef0 ll'],
    ['18 11 00 00 03 00 00 00 00 00 00 00 00 00 00 00', 'r1 = map[id:3]'],
    ['18 21 00 00 03 00 00 00 00 00 00 00 10 00 00 00', 'r1 = map[id:3][0]+16'],
  ])('%s: %s', (hex, text) => {
    expect(disassemble(slots(hex))).toEqual([{ at: 0, text }]);
  });

  test('numbers slots, of which a wide instruction takes two', () => {
    const program = slots('18 01 00 00 05 00 00 00 00 00 00 00 00 00 00 00 95 00 00 00 00 00 00 00');
    expect(disassemble(program).map(({ at }) => at)).toEqual([0, 2]);
  });

  test('shows what it is given names for', () => {
    const program = slots('18 11 00 00 03 00 00 00 00 00 00 00 00 00 00 00 85 00 00 00 01 00 00 00');
    const names = {
      helper: (id: number) => (id === 1 ? 'bpf_map_lookup_elem' : undefined),
      map: (handle: number) => (handle === 3 ? 'events' : undefined),
    };
    expect(disassemble(program, names).map(({ text }) => text)).toEqual([
      'r1 = map[events]',
      'call bpf_map_lookup_elem#1',
    ]);
  });

  test('shows relocations by name', () => {
    const { instructions, relocations } = assemble([
      loadMap(R1, 'events'),
      loadMapValue(R1, 'config', 24),
      ldxField('dw', R2, R1, 'task_struct.real_parent'),
      addField(R2, 'file.f_path'),
      movField(R3, 'task_struct.loginuid', 'exists'),
      movField(R3, 'cred', 'size'),
      call(6),
      exit(),
    ]);
    const listing = disassemble(instructions, {
      relocation: (slot) => relocations.find(({ at }) => at === slot),
    });
    expect(listing.map(({ text }) => text)).toEqual([
      'r1 = map[events]',
      'r1 = map[config][0]+24',
      'r2 = *(u64 *)(r1 +task_struct.real_parent)',
      'r2 += offsetof(file.f_path)',
      'r3 = exists(task_struct.loginuid)',
      'r3 = sizeof(cred)',
      'call unknown#6',
      'exit',
    ]);
  });

  test('says what is no instruction', () => {
    expect(disassemble([{ opcode: 0xff, dst: 0, src: 0, offset: 0, imm: 0 }])).toEqual([
      { at: 0, text: 'unknown opcode 0xff' },
    ]);
  });
});
