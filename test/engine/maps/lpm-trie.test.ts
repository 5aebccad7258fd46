import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BPF_EXIST, BPF_NOEXIST, createMap, EEXIST, EINVAL, ENOENT, ENOSPC } from '../../../engine/maps/index.ts';
import { BPF_F_NO_PREALLOC, type MapSpec } from '../../../engine/object/index.ts';
import { Memory } from '../../../engine/vm/index.ts';
import { u32 } from './bytes.ts';

const spec: MapSpec = {
  ...{ name: 'routes', type: 'lpm_trie', keySize: 8, valueSize: 4, maxEntries: 8 },
  flags: BPF_F_NO_PREALLOC,
};
const create = (more: Partial<MapSpec> = {}) => createMap(new Memory(1 << 20), { ...spec, ...more }, 1);

/** `192.168.0.0/16` as a key. */
function prefix(text: string): Uint8Array {
  const [address = '', bits] = text.split('/');
  return Uint8Array.of(Number(bits), 0, 0, 0, ...address.split('.').map(Number));
}

describe('lpm_trie', () => {
  it('finds the longest prefix', () => {
    const map = create();
    const routes = { '0.0.0.0/0': 1, '192.168.0.0/16': 2, '192.168.0.0/24': 3, '192.168.1.0/24': 4, '10.0.0.1/32': 5 };
    for (const [route, value] of Object.entries(routes)) expect(map.update(prefix(route), u32(value))).toBe(0);
    const found = (address: string) => map.lookup(prefix(`${address}/32`));
    expect(found('192.168.0.7')).toEqual(u32(3));
    expect(found('192.168.1.7')).toEqual(u32(4));
    expect(found('192.168.2.7')).toEqual(u32(2));
    expect(found('10.0.0.1')).toEqual(u32(5));
    expect(found('10.0.0.2')).toEqual(u32(1));
    expect(map.lookup(prefix('192.168.0.0/20'))).toEqual(u32(2));
    expect(map.delete(prefix('0.0.0.0/0'))).toBe(0);
    expect(found('10.0.0.2')).toBeUndefined();
  });

  it('gives keys the more specific first, as the example in kernel/bpf/lpm_trie.c', () => {
    const map = create();
    const routes = ['192.168.0.0/16', '192.168.0.0/24', '192.168.128.0/24', '192.168.1.0/24'];
    for (const route of routes) map.update(prefix(route), u32(1));
    expect([...map.keys()]).toEqual(
      ['192.168.0.0/24', '192.168.1.0/24', '192.168.128.0/24', '192.168.0.0/16'].map(prefix),
    );
    expect(map.syscalls.nextKey(prefix('192.168.0.0/17'))).toEqual(prefix('192.168.0.0/24'));
    expect(map.syscalls.nextKey(prefix('192.168.0.0/16'))).toBe(-ENOENT);
    expect(create().syscalls.nextKey(undefined)).toBe(-ENOENT);
  });

  it("answers as the kernel's trie_update_elem and trie_delete_elem", () => {
    const map = create({ maxEntries: 2 });
    const [one, two, three] = ['10.0.0.0/8', '10.1.0.0/16', '11.0.0.0/8'].map(prefix) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    expect(map.update(one, u32(1), BPF_EXIST)).toBe(-ENOENT);
    expect(map.update(one, u32(1), BPF_NOEXIST)).toBe(0);
    expect(map.update(one, u32(2), BPF_NOEXIST)).toBe(-EEXIST);
    expect(map.update(one, u32(2), BPF_EXIST)).toBe(0);
    expect(map.update(two, u32(3), 3)).toBe(-EINVAL);
    expect(map.update(two, u32(3))).toBe(0);
    expect(map.update(three, u32(4))).toBe(-ENOSPC);
    expect(map.update(two, u32(5))).toBe(0);
    expect(map.update(prefix('10.0.0.0/33'), u32(1))).toBe(-EINVAL);
    expect(map.delete(prefix('10.0.0.0/33'))).toBe(-EINVAL);
    expect(map.delete(three)).toBe(-ENOENT);
    expect(map.delete(one)).toBe(0);
    expect(map.update(three, u32(4))).toBe(0);
    expect(map.lookup(prefix('10.0.0.0/33'))).toBeUndefined();
    expect(map.syscalls.lookupAndDelete(three)).toBe(-524);
  });

  it('takes no more memory for entries that come and go', () => {
    const memory = new Memory(1 << 20);
    const map = createMap(memory, { ...spec, maxEntries: 100 }, 1);
    const round = (): void => {
      for (let i = 0; i < 100; i++) expect(map.update(Uint8Array.of(32, 0, 0, 0, i, 7, i, i), u32(i))).toBe(0);
      for (let i = 0; i < 100; i++) expect(map.delete(Uint8Array.of(32, 0, 0, 0, i, 7, i, i))).toBe(0);
    };
    round();
    const { used } = memory;
    for (let i = 0; i < 20; i++) round();
    expect(memory.used).toBe(used);
  });

  it('behaves as a list of prefixes that is searched for the longest match', () => {
    const key = fc
      .record({ bits: fc.nat(24), data: fc.uint8Array({ minLength: 3, maxLength: 3 }), few: fc.boolean() })
      .map(({ bits, data, few }) => ({ bits, data: few ? data.map((byte) => byte & 0x81) : data }));
    const operation = fc.record({ do: fc.constantFrom('update', 'update', 'delete', 'lookup'), key });
    const bitsOf = (data: Uint8Array): string => [...data].map((byte) => byte.toString(2).padStart(8, '0')).join('');
    const bytesOf = ({ bits, data }: { bits: number; data: Uint8Array }): Uint8Array =>
      Uint8Array.of(bits, 0, 0, 0, ...data);
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
        const map = create({ keySize: 7, maxEntries: 20 });
        const model = new Map<string, number>();
        for (const [i, step] of operations.entries()) {
          const name = bitsOf(step.key.data).slice(0, step.key.bits);
          if (step.do === 'delete') expect(map.delete(bytesOf(step.key))).toBe(model.delete(name) ? 0 : -ENOENT);
          else if (step.do === 'update') {
            const fits = model.has(name) || model.size < 20;
            expect(map.update(bytesOf(step.key), u32(i))).toBe(fits ? 0 : -ENOSPC);
            if (fits) model.set(name, i);
          } else {
            const matches = [...model]
              .filter(([other]) => name.startsWith(other))
              .sort(([a], [b]) => b.length - a.length);
            expect(map.lookup(bytesOf(step.key))).toEqual(matches[0] && u32(matches[0][1]));
          }
          expect([...map.keys()].map((k) => bitsOf(k.subarray(4)).slice(0, k[0])).sort()).toEqual(
            [...model.keys()].sort(),
          );
        }
      }),
      { numRuns: 40 },
    );
  });
});
