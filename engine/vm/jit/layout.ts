import type { Graph } from './graph.ts';
import { findLoops, type Loops } from './loops.ts';

/** A structured block: a branch to a loop goes to its start, a branch to any other to its end. Positions of blocks in the layout. */
export interface Scope {
  readonly isLoop: boolean;
  readonly start: number;
  readonly end: number;
}

/** How a function's blocks lie one after the other, and the scopes that its jumps need. */
export interface Layout {
  /** Blocks by position, and positions by block. */
  readonly order: readonly number[];
  readonly position: Int32Array;
  /** In the order in which they open. */
  readonly scopes: readonly Scope[];
  /** Positions that jumps backward reach through a branch table at the start of one loop around everything; undefined where loops nest. */
  readonly table: readonly number[] | undefined;
}

/**
 * Lays out a function so that each forward jump leaves a block and each jump back repeats a loop, as in Ramsey's "Beyond Relooper"
 * (2022). Where a loop is entered at several places, jumps back go through a table instead.
 */
export function layOut(graph: Graph): Layout {
  const loops = findLoops(graph);
  return loops ? nested(graph, loops) : dispatched(graph);
}

/** Blocks so that each comes behind all those that jump forward to it, and loops are in one piece. */
function nested(graph: Graph, loops: Loops): Layout {
  const { taken, next } = graph;
  const size = taken.length;
  const { around, isHeader } = loops;
  const waiting = new Int32Array(size);
  const each = (block: number, visit: (to: number) => void): void => {
    if (taken[block] !== -1 && !loops.isBack(block, taken[block]!)) visit(taken[block]!);
    if (next[block] !== -1 && !loops.isBack(block, next[block]!)) visit(next[block]!);
  };
  for (let block = 0; block < size; block++) {
    each(block, (to) => {
      waiting[to]!++;
    });
  }

  const order: number[] = [];
  const position = new Int32Array(size);
  const ends = new Int32Array(size);
  /** Blocks that may come next, by the header of the loop around them; those of no loop last. */
  const ready: number[][] = [];
  const outside = size;
  ready[outside] = [0];
  const inside = [outside];
  while (inside.length > 0) {
    const header = inside.at(-1)!;
    const block = ready[header]!.pop();
    if (block === undefined) {
      inside.pop();
      if (header !== outside) ends[header] = order.length;
      continue;
    }
    if (isHeader[block]) {
      inside.push(block);
      ready[block] = [];
    }
    position[block] = order.length;
    order.push(block);
    each(block, (to) => {
      if (--waiting[to]! === 0) ready[around[to] === -1 ? outside : around[to]!]!.push(to);
    });
  }
  const opening = (at: number): Scope[] => {
    const block = order[at]!;
    return isHeader[block] ? [{ isLoop: true, start: at, end: ends[block]! }] : [];
  };
  return { order, position, scopes: scopesOf(graph, order, position, opening), table: undefined };
}

/** Blocks as they lie in the program, the first one first. */
function dispatched(graph: Graph): Layout {
  const { taken, next, start } = graph;
  const order = start.map((_, block) => block);
  const rest = order.slice(1).sort((a, b) => start[a]! - start[b]!);
  order.splice(1, rest.length, ...rest);
  const position = new Int32Array(order.length);
  for (const [at, block] of order.entries()) position[block] = at;
  const targets = new Set<number>();
  for (const [at, block] of order.entries())
    for (const to of [taken[block]!, next[block]!]) if (to !== -1 && position[to]! <= at) targets.add(position[to]!);
  targets.delete(0);
  const table = [0, ...[...targets].sort((a, b) => a - b)];
  const opening = (at: number): Scope[] =>
    at > 0
      ? []
      : [
          { isLoop: true, start: 0, end: order.length },
          ...table
            .slice(1)
            .map((end) => ({ isLoop: false, start: 0, end }))
            .reverse(),
        ];
  return { order, position, scopes: scopesOf(graph, order, position, opening), table };
}

/** @param opening scopes that begin at a position whatever jumps there are, the outermost first */
function scopesOf(
  { taken, next }: Graph,
  order: readonly number[],
  position: Int32Array,
  opening: (at: number) => readonly Scope[],
): readonly Scope[] {
  /** What is open at the position looked at, the outermost first: ends never grow. */
  const open: Scope[] = [];
  const all: Scope[] = [];
  for (let at = 0; at < order.length; at++) {
    while (open.length > 0 && open.at(-1)!.end <= at) open.pop();
    for (const scope of opening(at)) {
      open.push(scope);
      all.push(scope);
    }
    const block = order[at]!;
    for (const to of [next[block]!, taken[block]!]) {
      const end = to === -1 ? -1 : position[to]!;
      if (end <= at + 1) continue;
      // The outermost scope that ends before: the new one goes around it. One that ends at the same place is used again.
      let [low, high] = [0, open.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (open[middle]!.end < end) high = middle;
        else low = middle + 1;
      }
      const same = open[low - 1];
      if (same !== undefined && same.end === end && !same.isLoop) continue;
      const scope = { isLoop: false, start: low < open.length ? open[low]!.start : at, end };
      open.splice(low, 0, scope);
      all.push(scope);
    }
  }
  return all.sort((a, b) => a.start - b.start || b.end - a.end || Number(b.isLoop) - Number(a.isLoop));
}
