import { describe, expect, test } from 'vitest';
import { decode, encode } from '../../../engine/isa/index.ts';
import { createInterpreter, type Helper } from '../../../engine/vm/index.ts';
import { type ConformanceVector, conformanceVectors } from '../../support/cases.ts';
import { testEnvironment } from '../../support/environment.ts';
import { rawSlots, ubpfBytes } from '../../support/ubpf.ts';

/** The only helper that the vectors call, by register; its result is not looked at. */
const helper: Helper = {
  name: 'conformance_helper_5',
  id: 5,
  arguments: [],
  returns: 'scalar',
  programTypes: 'all',
  run: () => 0n,
};

function run({ asm, raw, memory: bytes }: ConformanceVector): bigint {
  const instructions = decode(raw === undefined ? ubpfBytes(asm ?? '') : rawSlots(raw));
  const environment = testEnvironment();
  const { memory } = environment;
  const interpreter = createInterpreter({ instructions }, environment, {
    helper: (id) => (id === helper.id ? helper : undefined),
  });
  if (bytes.length === 0) return interpreter.run(0n, 0n);
  const offset = memory.allocate(bytes.length);
  memory.bytes.set(bytes, offset);
  return interpreter.run(memory.address(offset), BigInt(bytes.length));
}

const vectors = conformanceVectors();

describe.skipIf(!vectors)('bpf_conformance', () => {
  test('has vectors, and each has a result', () => {
    expect(vectors?.length).toBeGreaterThanOrEqual(157);
    expect(vectors?.filter(({ result }) => result === undefined)).toEqual([]);
  });
  test.each(vectors ?? [])('$name', (vector) => {
    expect(run(vector)).toBe(vector.result);
  });
  test.each(vectors?.filter(({ asm, raw }) => asm !== undefined && raw !== undefined) ?? [])(
    '$name: assembly and raw slots are the same',
    ({ asm, raw }) => {
      expect(ubpfBytes(asm ?? '')).toEqual(rawSlots(raw ?? ''));
      expect(encode(decode(rawSlots(raw ?? '')))).toEqual(rawSlots(raw ?? ''));
    },
  );
});
