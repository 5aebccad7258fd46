import type { Random } from '../../support/random.ts';
import type { Input } from './machines.ts';
import { CELL_BYTES, MAPS, type Profile } from './profiles.ts';

function bytes(random: Random, length: number): Uint8Array {
  const all = new Uint8Array(length);
  const view = new DataView(all.buffer);
  for (let at = 0; at + 8 <= length; at += 8) view.setBigUint64(at, random.number64(), true);
  return all;
}

const key = (n: number): Uint8Array => new Uint8Array(Uint32Array.of(n).buffer);

/** What a program of a profile could meet. */
export function anInput(random: Random, { contextBytes }: Profile): Input {
  const entries = Array.from({ length: 8 }, (_, n) => n).filter(() => random.chance(0.4));
  return {
    context: bytes(random, contextBytes),
    packet: bytes(random, random.pick([64, 72, 120])),
    cell: bytes(random, CELL_BYTES),
    list: Array.from({ length: MAPS.list.maxEntries }, () => bytes(random, MAPS.list.valueSize)),
    table: entries.slice(0, MAPS.table.maxEntries).map((n) => [key(n), bytes(random, MAPS.table.valueSize)] as const),
  };
}
