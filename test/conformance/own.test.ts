import { describe, expect, test } from 'vitest';
import { checkReserved, decode, decodeStrict, OPCODES, opcodeOf, parseAssembly } from '../../engine/isa/index.ts';
import { MACHINE_NAMES, runOn } from './machines.ts';
import { ownVectors } from './vectors.ts';

const vectors = ownVectors();

describe('our own vectors', () => {
  test('are at least 300, each with a name of its own', () => {
    expect(vectors.length).toBeGreaterThanOrEqual(300);
    expect(new Set(vectors.map(({ name }) => name)).size).toBe(vectors.length);
  });

  test('have every form of RFC 9669 but those that need maps, kernel functions or packets', () => {
    const used = new Set(vectors.flatMap(({ bytes }) => decode(bytes).map(opcodeOf)));
    const left = OPCODES.filter((row) => !used.has(row) && row.group !== 'linux' && row.group !== 'packet');
    expect(left.map(({ name }) => name)).toEqual([
      'call',
      'call_btf',
      'lddw_map',
      'lddw_map_value',
      'lddw_variable',
      'lddw_code',
      'lddw_map_index',
      'lddw_map_index_value',
    ]);
  });

  test('have no reserved field set', () => {
    for (const { bytes } of vectors) expect(checkReserved(decode(bytes))).toEqual([]);
  });

  describe.each(MACHINE_NAMES)('in the %s', (machine) => {
    test.each(vectors)('$name', ({ bytes, memory, memoryAfter, result }) => {
      const outcome = runOn(machine, decodeStrict(bytes), memory);
      expect(outcome.r0).toBe(result);
      expect(outcome.memory).toEqual(memoryAfter);
    });
  });

  test('would notice a wrong result', () => {
    const { instructions } = parseAssembly('r0 = *(u8 *)(r1 +0)\n*(u8 *)(r1 +1) = 9\nexit');
    for (const machine of MACHINE_NAMES) {
      expect(runOn(machine, instructions, Uint8Array.of(7, 8))).toEqual({ r0: 7n, memory: Uint8Array.of(7, 9) });
    }
  });
});
