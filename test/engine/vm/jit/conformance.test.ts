import { describe, expect, test } from 'vitest';
import { decode } from '../../../../engine/isa/index.ts';
import { createJit, type Helper, type JitOptions } from '../../../../engine/vm/index.ts';
import { type ConformanceVector, conformanceVectors } from '../../../support/cases.ts';
import { testEnvironment } from '../../../support/environment.ts';
import { rawSlots, ubpfBytes } from '../../../support/ubpf.ts';

/** The only helper that the vectors call; its result is not looked at. */
const helper: Helper = {
  name: 'conformance_helper_5',
  id: 5,
  arguments: [],
  returns: 'scalar',
  programTypes: 'all',
  run: () => 0n,
};

function run({ asm, raw, memory: bytes }: ConformanceVector, options: JitOptions): bigint {
  const instructions = decode(raw === undefined ? ubpfBytes(asm ?? '') : rawSlots(raw));
  const environment = testEnvironment();
  const { memory } = environment;
  const jit = createJit({ instructions }, environment, {
    helper: (id) => (id === helper.id ? helper : undefined),
    ...options,
  });
  if (bytes.length === 0) return jit.run(0n, 0n);
  const offset = memory.allocate(bytes.length);
  memory.bytes.set(bytes, offset);
  return jit.run(memory.address(offset), BigInt(bytes.length));
}

const vectors = conformanceVectors();

describe.skipIf(!vectors)('bpf_conformance through WebAssembly', () => {
  test('has vectors, and each has a result', () => {
    expect(vectors?.length).toBeGreaterThanOrEqual(157);
    expect(vectors?.filter(({ result }) => result === undefined)).toEqual([]);
  });
  test.each(vectors ?? [])('$name', (vector) => {
    expect(run(vector, { checked: true })).toBe(vector.result);
    expect(run(vector, { checked: false })).toBe(vector.result);
    expect(run(vector, { checked: false, maxInstructions: 100_000 })).toBe(vector.result);
  });
});
