import { describe, expect, test } from 'vitest';
import { decode, disassemble, encode, parseAssembly } from '../../engine/isa/index.ts';
import { type ConformanceVector, conformanceVectors } from '../support/cases.ts';
import { rawSlots, ubpfBytes } from '../support/ubpf.ts';
import { MACHINE_NAMES, runOn } from './machines.ts';

const bytesOf = ({ asm, raw }: ConformanceVector): Uint8Array =>
  raw === undefined ? ubpfBytes(asm ?? '') : rawSlots(raw);

const vectors = conformanceVectors();

describe.skipIf(!vectors)('bpf_conformance', () => {
  test('has vectors, and each has a result', () => {
    expect(vectors?.length).toBeGreaterThanOrEqual(157);
    expect(vectors?.filter(({ result }) => result === undefined)).toEqual([]);
  });

  describe.each(MACHINE_NAMES)('in the %s', (machine) => {
    test.each(vectors ?? [])('$name', (vector) => {
      expect(runOn(machine, decode(bytesOf(vector)), vector.memory).r0).toBe(vector.result);
    });
  });

  test.each(vectors?.filter(({ asm, raw }) => asm !== undefined && raw !== undefined) ?? [])(
    '$name: assembly and raw slots are the same',
    ({ asm, raw }) => {
      expect(ubpfBytes(asm ?? '')).toEqual(rawSlots(raw ?? ''));
      expect(encode(decode(rawSlots(raw ?? '')))).toEqual(rawSlots(raw ?? ''));
    },
  );

  test.each(vectors ?? [])('$name: its listing reads back', (vector) => {
    const listing = disassemble(decode(bytesOf(vector))).map(({ at, text }) => `${at}: ${text}`);
    expect(encode(parseAssembly(listing.join('\n')).instructions)).toEqual(bytesOf(vector));
  });
});
