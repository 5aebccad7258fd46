import type { MapMemory } from './map-memory.ts';

/** Bytes of a node of the lists below. */
export const LRU_NODE = 16;

const PREVIOUS = 0;
const NEXT = 4;
const REFERENCED = 8;
const ACTIVE = 9;
/** How many active nodes one eviction looks at (PERCPU_NR_SCANS). */
const SCANS = 4;

/**
 * Which elements were not used for long (kernel/bpf/bpf_lru_list.c): an active and an inactive list, newest first. A node begins as
 * inactive; being used marks it. A victim is sought from the inactive list's end, where marked ones become active instead, and the
 * active list's end moves over while it is the longer one. A marked node is thus taken only when all inactive ones are marked. The
 * kernel's lists of nodes that each CPU keeps for itself are left out, and one victim is taken at a time.
 */
export interface Lru {
  /** Takes a node in as inactive and unmarked. */
  add(node: number): void;
  mark(node: number): void;
  remove(node: number): void;
  /** Takes out the node to be used again next; there must be one. */
  victim(): number;
}

/** @throws MapSpecError */
export function createLru(memory: MapMemory): Lru {
  const { view } = memory;
  const lists = memory.allocate(2 * LRU_NODE);
  const inactive = { head: lists, count: 0 };
  const active = { head: lists + LRU_NODE, count: 0 };
  const get = (at: number): number => view.getUint32(at, true);
  const connect = (previous: number, next: number): void => {
    view.setUint32(previous + NEXT, next, true);
    view.setUint32(next + PREVIOUS, previous, true);
  };
  for (const { head } of [inactive, active]) connect(head, head);

  const remove = (node: number): void => {
    (view.getUint8(node + ACTIVE) === 0 ? inactive : active).count--;
    connect(get(node + PREVIOUS), get(node + NEXT));
  };
  const insert = (node: number, list: typeof active): void => {
    view.setUint8(node + REFERENCED, 0);
    view.setUint8(node + ACTIVE, list === active ? 1 : 0);
    const first = get(list.head + NEXT);
    connect(list.head, node);
    connect(node, first);
    list.count++;
  };
  const move = (node: number, list: typeof active): void => {
    remove(node);
    insert(node, list);
  };
  const isMarked = (node: number): boolean => view.getUint8(node + REFERENCED) !== 0;
  const last = ({ head }: typeof active): number => get(head + PREVIOUS);

  /** Moves what was not used from the active list's end to the inactive list; what was stays for another round. */
  const rotate = (): void => {
    for (let scan = Math.min(SCANS, active.count); scan > 0; scan--) {
      const node = last(active);
      move(node, isMarked(node) ? active : inactive);
    }
  };
  const choose = (): number => {
    if (inactive.count < active.count) rotate();
    for (let scan = inactive.count; scan > 0; scan--) {
      const node = last(inactive);
      if (!isMarked(node)) return node;
      move(node, active);
    }
    return last(active);
  };

  return {
    add: (node) => insert(node, inactive),
    mark: (node) => view.setUint8(node + REFERENCED, 1),
    remove,
    victim() {
      const node = choose();
      remove(node);
      return node;
    },
  };
}
