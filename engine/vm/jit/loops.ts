import type { Graph } from './graph.ts';

/** The loops of a reducible graph, each known by its header: the only block through which it is entered. */
export interface Loops {
  /** By block: the header of the innermost loop around it (a header's own loop is not around it), -1 where there is none. */
  readonly around: Int32Array;
  readonly isHeader: Uint8Array;
  /** Whether an edge goes back to the header of a loop that the first block is in. */
  isBack(from: number, to: number): boolean;
}

/**
 * Finds loops as Havlak does (Nesting of Reducible and Irreducible Loops, 1997), in nearly linear time; undefined where one is
 * entered at several places.
 */
export function findLoops(graph: Graph): Loops | undefined {
  const { taken, next } = graph;
  const size = taken.length;
  const { number, last, order } = depthFirst(graph);
  const around = new Int32Array(size).fill(-1);
  const isHeader = new Uint8Array(size);
  const isAncestor = (one: number, other: number): boolean =>
    number[one]! <= number[other]! && number[other]! <= last[one]!;
  const loops: Loops = { around, isHeader, isBack: (from, to) => isAncestor(to, from) };

  let hasLoop = false;
  for (let block = 0; block < size && !hasLoop; block++) {
    hasLoop =
      (taken[block] !== -1 && isAncestor(taken[block]!, block)) ||
      (next[block] !== -1 && isAncestor(next[block]!, block));
  }
  if (!hasLoop) return loops;

  const { first, before } = predecessors(graph);
  /** Each block's innermost loop that is already found, as a forest of disjoint sets. */
  const set = Int32Array.from({ length: size }, (_, block) => block);
  const find = (block: number): number => {
    let root = block;
    while (set[root] !== root) root = set[root]!;
    for (let at = block; at !== root; ) [at, set[at]] = [set[at]!, root];
    return root;
  };
  const memberOf = new Int32Array(size).fill(-1);
  for (let index = size - 1; index >= 0; index--) {
    const header = order[index]!;
    const body: number[] = [];
    const add = (block: number): void => {
      if (block === header || memberOf[block] === header) return;
      memberOf[block] = header;
      body.push(block);
    };
    for (let n = first[header]!; n < first[header + 1]!; n++) {
      if (!isAncestor(header, before[n]!)) continue;
      isHeader[header] = 1;
      add(find(before[n]!));
    }
    for (let done = 0; done < body.length; done++) {
      const block = body[done]!;
      for (let n = first[block]!; n < first[block + 1]!; n++) {
        const from = before[n]!;
        if (isAncestor(block, from)) continue;
        const root = find(from);
        if (!isAncestor(header, root)) return undefined;
        add(root);
      }
    }
    for (const block of body) {
      around[block] = header;
      set[block] = header;
    }
  }
  return loops;
}

/** Numbers blocks in the order in which a search reaches them; `last` is the greatest number below each. */
function depthFirst({ taken, next }: Graph): { number: Int32Array; last: Int32Array; order: Int32Array } {
  const size = taken.length;
  const number = new Int32Array(size).fill(-1);
  const last = new Int32Array(size);
  const order = new Int32Array(size);
  const step = new Uint8Array(size);
  const path: number[] = [0];
  let count = 0;
  while (path.length > 0) {
    const block = path.at(-1)!;
    if (number[block] === -1) {
      number[block] = count;
      order[count++] = block;
    }
    const which = step[block]!;
    step[block] = which + 1;
    if (which === 2) {
      last[block] = count - 1;
      path.pop();
      continue;
    }
    const to = which === 0 ? next[block]! : taken[block]!;
    if (to !== -1 && number[to] === -1) path.push(to);
  }
  return { number, last, order };
}

/** Blocks before each, one row after the other; `first` is where a block's row begins. */
function predecessors({ taken, next }: Graph): { first: Int32Array; before: Int32Array } {
  const size = taken.length;
  const first = new Int32Array(size + 1);
  const each = (visit: (from: number, to: number) => void): void => {
    for (let block = 0; block < size; block++) {
      if (next[block] !== -1) visit(block, next[block]!);
      if (taken[block] !== -1) visit(block, taken[block]!);
    }
  };
  each((_, to) => {
    first[to + 1]!++;
  });
  for (let block = 0; block < size; block++) first[block + 1]! += first[block]!;
  const before = new Int32Array(first[size]!);
  const filled = first.slice();
  each((from, to) => {
    before[filled[to]!++] = from;
  });
  return { first, before };
}
