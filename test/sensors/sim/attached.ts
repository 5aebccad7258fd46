import {
  add,
  assemble,
  call,
  exit,
  type Item,
  loadMap,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R10,
} from '../../../engine/isa/index.ts';
import type { HookName, MapSpec } from '../../../engine/object/index.ts';
import type { KernelMap, LoadedProgram, SimHost } from '../../../sensors/index.ts';

const RINGBUF_OUTPUT = 130;

const EVENTS: MapSpec = { name: 'events', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 65_536 };

/** Attaches a program that needs no map. */
export const attach = (host: SimHost, hook: HookName, items: readonly Item[]): LoadedProgram => {
  const program = host.kernel.loadProgram({ name: 'test', hook, ...assemble(items) }, new Map());
  host.kernel.attach(program);
  return program;
};

/**
 * Attaches a program that records `words` values of 8 bytes each time it runs: `fill` puts them at r10-8, r10-16 and so on.
 * It then returns what `end` leaves in r0, 0 without one; `maps` are those it names. The function returned gives the records so far, each once.
 */
export const observe = (
  host: SimHost,
  hook: HookName,
  words: number,
  fill: readonly Item[],
  options: { readonly end?: readonly Item[]; readonly maps?: readonly KernelMap[] } = {},
): (() => bigint[][]) => {
  const map = host.kernel.createMap(EVENTS);
  const items = [
    ...fill,
    loadMap(R1, 'events'),
    mov(R2, R10),
    add(R2, -8 * words),
    mov(R3, 8 * words),
    mov(R4, 0),
    call(RINGBUF_OUTPUT),
    ...(options.end ?? [mov(R0, 0)]),
    exit(),
  ];
  const maps = new Map([map, ...(options.maps ?? [])].map((each) => [each.spec.name, each]));
  const program = host.kernel.loadProgram({ name: 'observer', hook, ...assemble(items) }, maps);
  host.kernel.attach(program);
  const ring = host.kernel.ringBuffer(map);
  return () => {
    const records: bigint[][] = [];
    ring.consume((record) => {
      const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
      records.push(Array.from({ length: words }, (_, index) => view.getBigUint64(8 * (words - 1 - index), true)));
    });
    return records;
  };
};

/** The 64 bits that stand for a signed number. */
export const word = (value: number | bigint): bigint => BigInt.asUintN(64, BigInt(value));

/** Up to 8 bytes of text as the word that holds them in memory. */
export const textWord = (text: string): bigint => {
  const bytes = new Uint8Array(8);
  bytes.set(new TextEncoder().encode(text).subarray(0, 8));
  return new DataView(bytes.buffer).getBigUint64(0, true);
};
