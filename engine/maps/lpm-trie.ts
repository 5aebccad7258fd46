import type { MapSpec } from '../object/index.ts';
import { align8 } from './align.ts';
import { copyBytes } from './copy.ts';
import { createElements } from './elements.ts';
import { EEXIST, EINVAL, ENOENT, ENOMEM, ENOSPC } from './errno.ts';
import { BPF_ANY, BPF_EXIST, BPF_NOEXIST, type BpfMap, type MapHost } from './map.ts';
import type { MapMemory } from './map-memory.ts';
import { mapOperations } from './operations.ts';
import { valueShape } from './percpu.ts';

const CHILDREN = 0;
/** A node's key, as programs write it: the prefix's length in bits, in 4 bytes, then the data, most significant byte first. */
const KEY_AT = 16;
const PREFIX_BYTES = 4;

/**
 * A longest-prefix-match trie (kernel/bpf/lpm_trie.c). A node begins with
 *
 *     offset  0         4         8         12             16
 *             | child 0 | child 1 | (free)  | intermediate | prefix length | data | value
 *
 * A node without value of its own ("intermediate") has two children. An update replaces the key's node.
 */
export function createLpmTrie(memory: MapMemory, spec: MapSpec, handle: number, host?: MapHost): BpfMap {
  const { bytes, view } = memory;
  const { keySize, valueSize, maxEntries } = spec;
  const valueAt = align8(KEY_AT + keySize);
  const size = valueAt + align8(valueSize);
  /** Every second key may need an intermediate node, and an update has its new node before it gives back the old. */
  const elements = createElements(memory, { size, valueAt, valueSize, stride: size }, 2 * maxEntries + 1);
  const dataSize = keySize - PREFIX_BYTES;
  const mostBits = 8 * dataSize;
  /** A place like a child's, for the root. */
  const root = memory.allocate(8);
  let count = 0;

  const get = (at: number): number => view.getUint32(at, true);
  const set = (at: number, value: number): void => view.setUint32(at, value, true);
  const bitsOf = (key: number): number => get(key);
  const isIntermediate = (node: number): boolean => get(node + 12) !== 0;
  const bit = (key: number, index: number): number =>
    (view.getUint8(key + PREFIX_BYTES + (index >>> 3)) >>> (7 - (index & 7))) & 1;
  const childAt = (node: number, which: number): number => node + CHILDREN + 4 * which;

  /** How many leading bits a node and a key have in common, at most as many as the shorter of both has. */
  const commonBits = (node: number, key: number): number => {
    const most = Math.min(bitsOf(node + KEY_AT), bitsOf(key));
    const data = key + PREFIX_BYTES;
    const own = node + KEY_AT + PREFIX_BYTES;
    let at = 0;
    for (; at + 4 <= dataSize && 8 * at < most; at += 4) {
      const different = view.getInt32(own + at) ^ view.getInt32(data + at);
      if (different !== 0) return Math.min(most, 8 * at + Math.clz32(different));
    }
    for (; 8 * at < most; at++) {
      const different = view.getUint8(own + at) ^ view.getUint8(data + at);
      if (different !== 0) return Math.min(most, 8 * at + Math.clz32(different) - 24);
    }
    return most;
  };

  /** Goes down as far as nodes are prefixes of the key: the place of the first that is not or that is the key's own, an empty one where there is none. */
  const descend = (key: number, visit?: (place: number) => void): number => {
    let place = root;
    for (let node = get(place); node !== 0; node = get(place)) {
      visit?.(place);
      const bits = bitsOf(node + KEY_AT);
      if (commonBits(node, key) !== bits || bits === bitsOf(key)) break;
      place = childAt(node, bit(key, bits));
    }
    return place;
  };
  const isKeyOf = (node: number, key: number): boolean =>
    node !== 0 &&
    bitsOf(node + KEY_AT) === bitsOf(key) &&
    commonBits(node, key) === bitsOf(key) &&
    !isIntermediate(node);

  const findAt = (key: number): number => {
    if (bitsOf(key) > mostBits) return 0;
    let found = 0;
    for (let node = get(root); node !== 0; ) {
      const bits = bitsOf(node + KEY_AT);
      if (commonBits(node, key) < bits) break;
      if (!isIntermediate(node)) found = node;
      if (bits === mostBits) break;
      node = get(childAt(node, bit(key, bits)));
    }
    return found === 0 ? 0 : found + valueAt;
  };

  const makeNode = (key: number): number => {
    const node = elements.take();
    if (node === 0) return 0;
    bytes.fill(0, node, node + KEY_AT);
    copyBytes(memory, node + KEY_AT, key, keySize);
    return node;
  };

  /** Puts a node of the key where `descend` ended; 0, or a negative errno. */
  const insert = (key: number, place: number, flags: number): number => {
    const there = get(place);
    const common = there === 0 ? 0 : commonBits(there, key);
    const replaces = there !== 0 && common === bitsOf(there + KEY_AT);
    if (replaces && !isIntermediate(there)) {
      if (flags === BPF_NOEXIST) return -EEXIST;
    } else {
      if (flags === BPF_EXIST) return -ENOENT;
      if (count === maxEntries) return -ENOSPC;
    }
    const node = makeNode(key);
    if (node === 0) return -ENOMEM;
    if (there === 0) set(place, node);
    else if (replaces) {
      set(childAt(node, 0), get(childAt(there, 0)));
      set(childAt(node, 1), get(childAt(there, 1)));
      set(place, node);
      if (!isIntermediate(there)) count--;
      elements.give(there);
    } else if (common === bitsOf(key)) {
      set(childAt(node, bit(there + KEY_AT, common)), there);
      set(place, node);
    } else {
      const fork = makeNode(there + KEY_AT);
      if (fork === 0) {
        elements.give(node);
        return -ENOMEM;
      }
      set(fork + KEY_AT, common);
      set(fork + 12, 1);
      set(childAt(fork, bit(key, common)), node);
      set(childAt(fork, 1 - bit(key, common)), there);
      set(place, fork);
    }
    count++;
    return node;
  };

  const remove = (key: number): number => {
    if (bitsOf(key) > mostBits) return -EINVAL;
    let parentPlace = 0;
    let place = root;
    descend(key, (at) => {
      parentPlace = place === at ? 0 : place;
      place = at;
    });
    const node = get(place);
    if (!isKeyOf(node, key)) return -ENOENT;
    count--;
    const [left, right] = [get(childAt(node, 0)), get(childAt(node, 1))];
    if (left !== 0 && right !== 0) {
      set(node + 12, 1);
      return 0;
    }
    const parent = parentPlace === 0 ? 0 : get(parentPlace);
    if (parent !== 0 && isIntermediate(parent) && left === 0 && right === 0) {
      set(parentPlace, get(childAt(parent, 0)) === node ? get(childAt(parent, 1)) : get(childAt(parent, 0)));
      elements.give(parent);
    } else set(place, left === 0 ? right : left);
    elements.give(node);
    return 0;
  };

  /** The first node in post-order below one, itself included. */
  const leftmost = (from: number): number => {
    let found = from;
    for (let node = from; node !== 0; ) {
      if (!isIntermediate(node)) found = node;
      node = get(childAt(node, 0)) || (isIntermediate(node) ? 0 : get(childAt(node, 1)));
    }
    return found;
  };
  const first = (): number => (get(root) === 0 ? -ENOENT : leftmost(get(root)) + KEY_AT);
  const nextAt = (key: number): number => {
    if (key === 0 || bitsOf(key) > mostBits) return first();
    const path: number[] = [];
    const place = descend(key, (at) => path.push(get(at)));
    if (!isKeyOf(get(place), key)) return first();
    let node = path.pop()!;
    for (let parent = path.pop(); parent !== undefined; node = parent, parent = path.pop()) {
      const right = get(childAt(parent, 1));
      if (right !== node && right !== 0) return leftmost(right) + KEY_AT;
      if (!isIntermediate(parent)) return parent + KEY_AT;
    }
    return -ENOENT;
  };

  return {
    spec,
    handle,
    ...mapOperations(memory, spec, valueShape(spec, host), {
      findAt,
      placeAt: (key, flags) => {
        if (flags !== BPF_ANY && flags !== BPF_NOEXIST && flags !== BPF_EXIST) return -EINVAL;
        if (bitsOf(key) > mostBits) return -EINVAL;
        const node = insert(key, descend(key), flags);
        return node < 0 ? node : node + valueAt;
      },
      deleteAt: remove,
      nextAt,
      takes: false,
    }),
    contains: elements.contains,
    valueOffset: undefined,
    layout: undefined,
    close: memory.close,
  };
}
