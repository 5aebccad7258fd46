import { describe, expect, test } from 'vitest';
import { decode, type Instruction } from '../../../engine/isa/index.ts';
import { type Hook, parseBtf } from '../../../engine/object/index.ts';
import { type Verified, verify } from '../../../engine/verifier/index.ts';
import type { Helper } from '../../../engine/vm/index.ts';
import { runOn } from '../../conformance/machines.ts';
import { ownVectors } from '../../conformance/vectors.ts';
import { type ConformanceVector, conformanceVectors } from '../../support/cases.ts';
import { rawSlots, ubpfBytes } from '../../support/ubpf.ts';
import { emptyBtf } from './btf.ts';

const hookOf = (size: number): Hook => ({
  programType: 'isa',
  arguments: [],
  context: { kind: 'memory', size, writable: true },
  returns: { min: 0, max: 0 },
});

/** What the vectors call by number. */
const helper = (id: number): Helper | undefined =>
  id === 1 || id === 5
    ? {
        name: `conformance_helper_${id}`,
        id,
        arguments: id === 1 ? ['anything', 'anything', 'anything', 'anything', 'anything'] : [],
        returns: 'scalar',
        programTypes: 'all',
        run: () => 0n,
      }
    : undefined;

const verifyIsa = (instructions: readonly Instruction[], size: number): Verified =>
  verify(instructions, {
    name: 'vector',
    hook: hookOf(size),
    profile: 'isa',
    btf: parseBtf(emptyBtf()),
    map: () => undefined,
    helper,
  });

const publicVectors = conformanceVectors();
const slotsOf = ({ asm, raw }: ConformanceVector): Instruction[] =>
  decode(raw === undefined ? ubpfBytes(asm ?? '') : rawSlots(raw));

describe.skipIf(!publicVectors)('bpf_conformance verifies in the profile isa, and then runs', () => {
  test.each(publicVectors ?? [])('$name', (vector) => {
    const { instructions } = verifyIsa(slotsOf(vector), vector.memory.length);
    expect(runOn('checked interpreter', instructions, vector.memory).r0).toBe(vector.result);
  });
});

test.each(ownVectors())('own vector $name verifies in the profile isa, and then runs', (vector) => {
  const { instructions } = verifyIsa(decode(vector.bytes), vector.memory.length);
  expect(runOn('checked interpreter', instructions, vector.memory).r0).toBe(vector.result);
});
