import { describe, expect, it } from 'vitest';
import { BtfError, ElfError, parseBtf, readElf } from '../../../engine/object/index.ts';
import { clangSkip, compileC } from '../../support/clang.ts';
import { count, seed } from '../../support/counts.ts';
import { createRandom } from '../../support/random.ts';
import { PROGRAMS_OF_EVERY_SORT } from './sources.ts';

const skip = clangSkip();
const SECTION_HEADER = 64;

/** Bytes with a number of so many bytes put at a place. */
function put(bytes: Uint8Array, at: number, size: 1 | 2 | 4 | 8, value: number | bigint): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  for (let i = 0; i < size; i++) view.setUint8(at + i, Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
  return copy;
}

const message = (bytes: Uint8Array): string => {
  try {
    readElf(bytes, 'a.o');
    return 'no error';
  } catch (error) {
    if (error instanceof ElfError) return error.message;
    throw error;
  }
};

describe.skipIf(skip)(`ELF objects that are broken${skip ? `: ${skip}` : ''}`, () => {
  const object = skip ? new Uint8Array() : compileC(PROGRAMS_OF_EVERY_SORT);
  const view = new DataView(object.buffer, object.byteOffset, object.byteLength);
  const headersAt = skip ? 0 : Number(view.getBigUint64(40, true));
  const sectionCount = skip ? 0 : view.getUint16(60, true);
  const headerOf = (index: number): number => headersAt + index * SECTION_HEADER;
  const names = skip
    ? new Uint8Array()
    : object.subarray(Number(view.getBigUint64(headerOf(view.getUint16(62, true)) + 24, true)));
  const nameOf = (index: number): string => {
    const at = view.getUint32(headerOf(index), true);
    return new TextDecoder().decode(names.subarray(at, names.indexOf(0, at)));
  };
  const indexOf = (name: string): number => {
    for (let index = 1; index < sectionCount; index++) if (nameOf(index) === name) return index;
    throw new Error(`no section ${name}`);
  };
  const header = (name: string): number => headerOf(indexOf(name));
  const dataOf = (name: string): number => Number(view.getBigUint64(header(name) + 24, true));

  it('are refused in one sentence: what is there, what was expected, what to do', () => {
    expect(message(new Uint8Array())).toBe(
      "a.o: ELF header: the file is truncated: 0 bytes, less than the header's 64",
    );
    expect(message(new TextEncoder().encode('#include <stdio.h>'))).toBe(
      'a.o: ELF header: it starts with 0x23696e63, not with 0x7f454c46; give an object file (compile with clang -target bpf -c)',
    );
    expect(message(put(object, 4, 1, 1))).toBe(
      'a.o: ELF header: class 1, expected 2 (64 bits); compile with clang -target bpf -c',
    );
    expect(message(put(object, 5, 1, 2))).toBe(
      'a.o: ELF header: byte order 2, expected 1 (little endian); compile with -target bpfel',
    );
    expect(message(put(object, 18, 2, 62))).toBe(
      'a.o: ELF header: machine 62, expected 247 (EM_BPF); compile with clang -target bpf -c',
    );
    expect(message(put(object, 16, 2, 2))).toBe(
      "a.o: ELF header: type 2, expected 1 (a relocatable object); don't link it into a program",
    );
    expect(message(put(object, 60, 2, 0))).toBe(
      'a.o: ELF header: there are no section headers; compile with clang -target bpf -c',
    );
    expect(message(put(object, 58, 2, 40))).toBe('a.o: ELF header: section headers of 40 bytes, expected 64');
    expect(message(put(object, 62, 2, 0))).toBe(
      'a.o: ELF header: the section names are said to be in section 0, which is no string table',
    );
    expect(message(put(object, 40, 8, 0xffff_ffff_ffff_fff0n))).toMatch(
      /^a\.o: ELF header: the file is truncated: \d+ section headers from byte 18446744073709552000 end behind its \d+ bytes$/,
    );
  });

  it('whose sections lie about their size or place are refused', () => {
    const index = indexOf('.text');
    expect(message(put(object, header('.text') + 32, 8, 1n << 63n))).toBe(
      `a.o: section ${index}: the file is truncated: 9223372036854776000 bytes from byte 64 end behind its ${object.length} bytes`,
    );
    expect(message(put(object, header('.text') + 24, 8, 1n << 63n))).toMatch(
      /^a\.o: section \d+: the file is truncated: \d+ bytes from byte 9223372036854776000 end behind its \d+ bytes$/,
    );
    expect(message(put(object, header('.text'), 4, 0xffff_ffff))).toMatch(
      /^a\.o: section \d+: its name lies at byte 4294967295 of a string table of \d+ bytes$/,
    );
    expect(message(put(object, header('.bss') + 32, 8, 1n << 63n))).toBe(
      "a.o: section .bss: 9223372036854776000 bytes of variables; a map's value has at most 2147483647",
    );
    expect(message(put(object, header('.rel.text') + 32, 8, 17))).toBe(
      "a.o: section .rel.text: 17 bytes are no multiple of a relocation's 16",
    );
    expect(message(put(object, header('.rel.text') + 4, 4, 4))).toBe(
      'a.o: section .rel.text: relocations with addends (SHT_RELA), which no eBPF compiler writes; compile with clang -target bpf -c',
    );
    expect(message(put(object, header('.symtab') + 4, 4, 1))).toBe(
      'a.o: ELF: there is no symbol table; do not strip the object (or use llvm-strip -g)',
    );
  });

  it('whose relocations lead nowhere are refused', () => {
    const first = dataOf('.rel.text');
    const symbols = Number(view.getBigUint64(header('.symtab') + 32, true)) / 24;
    const textBytes = Number(view.getBigUint64(header('.text') + 32, true));
    expect(message(put(object, first + 12, 4, 0xffff_ffff))).toBe(
      `a.o: section .rel.text, entry 0: symbol 4294967295, but there are ${symbols} symbols`,
    );
    expect(message(put(object, first, 8, 1n << 40n))).toBe(
      `a.o: section .rel.text, entry 0: it changes byte 1099511627776 of .text, which has ${textBytes} bytes`,
    );
    expect(message(put(object, first, 8, 3))).toBe(
      'a.o: section .rel.text, entry 0: byte 3 of .text is not where an instruction begins',
    );
    expect(message(put(object, first + 8, 4, 2))).toBe(
      'a.o: section .rel.text, entry 0: type 2, expected 1 (R_BPF_64_64) or 10 (R_BPF_64_32)',
    );
    expect(message(put(object, dataOf('.rel.maps') + 12, 4, 0))).toMatch(
      /^a\.o: section \.rel\.maps, entry 0: "" is no (map|program) of this object, but a value of "\w+"$/,
    );
  });

  it('truncated at any byte are refused, or lack only what nobody reads', () => {
    const step = Math.max(1, Math.floor(object.length / count(100_000)));
    for (let length = 0; length < object.length; length += step) {
      const start = performance.now();
      expect(message(object.slice(0, length))).not.toBe('no error');
      expect(performance.now() - start).toBeLessThan(1000);
    }
  });

  it('with some bytes changed are read or refused, within a second, and with no other error', () => {
    const { below: random } = createRandom(seed('broken objects'));
    /** Half of the changes go where all others hang on: headers, symbols, relocations, BTF. */
    const places = ['.symtab', '.BTF', '.BTF.ext', '.maps', '.rel.maps', '.rel.text'].map(
      (name) => [dataOf(name), Number(view.getBigUint64(header(name) + 32, true))] as const,
    );
    places.push([headersAt, sectionCount * SECTION_HEADER]);
    const refused = { count: 0 };
    const rounds = count(20_000);
    for (let round = 0; round < rounds; round++) {
      const bytes = object.slice();
      for (let change = random(6); change >= 0; change--) {
        const [at, length] = random(2) === 0 ? [0, bytes.length] : places[random(places.length)]!;
        const place = at + random(length);
        bytes[place] = [0, 0xff, random(256), bytes[place]! ^ (1 << random(8))][random(4)]!;
      }
      const start = performance.now();
      if (message(bytes) !== 'no error') refused.count++;
      expect(performance.now() - start).toBeLessThan(1000);
    }
    expect(refused.count).toBeGreaterThan(rounds / 4);
  });
});

describe('BTF that is broken', () => {
  /** Types as words behind a header, with the strings given. */
  function btf(types: readonly number[], strings = '\0x\0'): Uint8Array {
    const text = new TextEncoder().encode(strings);
    const words = new Uint32Array([0x0001_eb9f, 24, 0, types.length * 4, types.length * 4, text.length, ...types]);
    const bytes = new Uint8Array(words.byteLength + text.length);
    bytes.set(new Uint8Array(words.buffer));
    bytes.set(text, words.byteLength);
    return bytes;
  }
  const kind = (number: number, vlen = 0): number => (number << 24) | vlen;

  it('never lets a size overflow', () => {
    const huge = parseBtf(btf([1, kind(1), 4, 32, 0, kind(3), 0, 1, 1, 0xffff_ffff, 0, kind(3), 0, 2, 1, 0xffff_ffff]));
    expect(() => huge.size(2)).toThrow(new BtfError('BTF type 2 is larger than 4 GiB'));
    expect(() => huge.size(3)).toThrow(new BtfError('BTF type 3 is larger than 4 GiB'));
  });

  it('with names that all overlap ends soon', () => {
    const length = 40_000;
    const types = Array.from({ length }, (_, i) => [1 + i, kind(1), 4, 32]).flat();
    const long = parseBtf(btf(types, `\0${'a'.repeat(length)}\0`));
    const start = performance.now();
    expect(() => {
      for (let id = 1; id <= length; id++) long.type(id);
    }).toThrow(new BtfError('BTF names overlap each other more than any compiler lets them'));
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
