import type { DecodedProgram } from '../decoded.ts';
import type { Graph } from './graph.ts';
import { findLoops, type Loops } from './loops.ts';

const [CALL, CALLX] = [0x85, 0x8d] as const;
/** Loops of so many slots at most are repeated, until they have about so many together. */
const MOST_SLOTS = 24;
const UNROLLED_SLOTS = 96;
const MOST_COPIES = 8;

/**
 * Repeats the bodies of small innermost loops without calls, each copy going on with the next: V8 looks whether the thread was
 * interrupted wherever a loop begins, which takes as long as several instructions.
 */
export function unroll(program: DecodedProgram, graph: Graph): Graph {
  if (!hasLoop(graph)) return graph;
  const loops = findLoops(graph);
  if (!loops) return graph;
  const unrolled = {
    start: [...graph.start],
    end: [...graph.end],
    taken: [...graph.taken],
    next: [...graph.next],
  };
  for (const [header, members] of innermost(loops)) {
    const slots = members.reduce((sum, block) => sum + graph.end[block]! - graph.start[block]!, 0);
    if (slots > MOST_SLOTS || members.some((block) => calls(program, graph, block))) continue;
    repeat(unrolled, header, members, Math.min(MOST_COPIES, Math.floor(UNROLLED_SLOTS / slots)));
  }
  return unrolled;
}

/** Whether any jump goes to a block that lies at or before its own: others can't be part of a loop. */
const hasLoop = ({ start, taken, next }: Graph): boolean =>
  start.some((slot, block) => [taken[block]!, next[block]!].some((to) => to !== -1 && start[to]! <= slot));

const calls = ({ opcode }: DecodedProgram, graph: Graph, block: number): boolean => {
  for (let at = graph.start[block]!; at < graph.end[block]!; at++)
    if (opcode[at] === CALL || opcode[at] === CALLX) return true;
  return false;
};

/** Blocks of the loops that have none inside, the header first, by header. */
function innermost({ around, isHeader }: Loops): Map<number, number[]> {
  const found = new Map<number, number[]>();
  for (const [block, value] of isHeader.entries()) if (value === 1) found.set(block, [block]);
  for (const [block, header] of around.entries()) {
    if (header === -1) continue;
    if (isHeader[block] === 1) found.delete(header);
    else found.get(header)?.push(block);
  }
  return found;
}

function repeat(
  graph: { readonly [Name in keyof Graph]: number[] },
  header: number,
  members: readonly number[],
  copies: number,
): void {
  const first = graph.start.length;
  const copyOf = (block: number, copy: number): number =>
    copy === 0 ? block : first + (copy - 1) * members.length + members.indexOf(block);
  const isInside = new Set(members);
  const originals = members.map((block) => ({ block, taken: graph.taken[block]!, next: graph.next[block]! }));
  for (let copy = 0; copy < copies; copy++) {
    const target = (to: number): number => {
      if (to === header) return copyOf(header, (copy + 1) % copies);
      return isInside.has(to) ? copyOf(to, copy) : to;
    };
    for (const { block, taken, next } of originals) {
      const at = copyOf(block, copy);
      graph.start[at] = graph.start[block]!;
      graph.end[at] = graph.end[block]!;
      graph.taken[at] = target(taken);
      graph.next[at] = target(next);
    }
  }
}
