import { describe, expect, it } from 'vitest';
import { createMap } from '../../../engine/maps/index.ts';
import type { MapSpec } from '../../../engine/object/index.ts';
import { HELPERS, type Helper, HelperError, Memory } from '../../../engine/vm/index.ts';
import { testEnvironment } from '../../support/environment.ts';
import { put } from './call-helper.ts';

const SPECS: readonly MapSpec[] = [
  { name: 'hash', type: 'hash', keySize: 4, valueSize: 8, maxEntries: 2 },
  { name: 'array', type: 'array', keySize: 4, valueSize: 8, maxEntries: 2 },
  { name: 'ring', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 },
];
const MAPS_OF_MAPS: MapSpec = {
  name: 'outer',
  type: 'array_of_maps',
  keySize: 4,
  valueSize: 4,
  maxEntries: 1,
  inner: SPECS[1]!,
};

/** What a form of a helper does to a machine made anew, for each of a row of calls: result and what the hash map holds. */
function outcomes(
  form: (helper: Helper, ...rest: Parameters<Helper['run']>) => bigint | undefined,
  helper: Helper,
): unknown[] {
  const memory = new Memory(1 << 20);
  const maps = SPECS.map((spec, index) => createMap(memory, spec, index + 1));
  const host = { map: (handle: number) => maps[handle - 1], isProgram: () => false, owner: () => undefined };
  const outer = createMap(memory, MAPS_OF_MAPS, 4, host);
  outer.update(new Uint8Array(4), new Uint8Array([2, 0, 0, 0]));
  const environment = testEnvironment({ memory }, [...maps, outer]);
  const keys = [0, 1, 2].map((n) => put(memory, [n, 0, 0, 0]));
  const value = put(memory, [7, 0, 0, 0, 0, 0, 0, 0]);
  const pointers = [...keys, 0n, 0x1000n, memory.address(memory.capacity - 2)];
  const seen: unknown[] = [];
  for (const handle of [1n, 2n, 3n, 4n, 9n, 1n << 32n])
    for (const key of pointers)
      for (const third of [value, 5n])
        for (const flags of [0n, 1n, 2n, 9n, 1n << 32n]) {
          const registers = new BigUint64Array([0xeeeen, handle, key, third, flags, 0n, 0n, 0n, 0n, 0n, 0n]);
          try {
            const result = form(helper, environment, registers, { call: () => 0n, tailCall: () => {}, context: 0n });
            seen.push([result, [...maps[0]!.keys()]]);
          } catch (error) {
            if (!(error instanceof HelperError)) throw error;
            seen.push(error.message);
          }
        }
  return seen;
}

describe('the form of a helper without 64-bit numbers', () => {
  const withFast = HELPERS.filter(({ fast }) => fast);

  it('is there for maps', () => {
    expect(withFast.map(({ name }) => name)).toEqual([
      'bpf_map_lookup_elem',
      'bpf_map_update_elem',
      'bpf_map_delete_elem',
    ]);
  });

  it.each(withFast.map((helper) => [helper.name, helper] as const))('%s does what the other does', (_, helper) => {
    let handled = 0;
    const fast = outcomes((row, environment, registers, machine) => {
      if (!row.fast!(environment, new Int32Array(registers.buffer)))
        return BigInt.asUintN(64, row.run(environment, registers, machine));
      handled++;
      return registers[0];
    }, helper);
    expect(fast).toEqual(outcomes((row, ...rest) => BigInt.asUintN(64, row.run(...rest)), helper));
    expect(handled).toBeGreaterThan(fast.length / 20);
  });
});
