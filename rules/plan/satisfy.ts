import { contradictionOf } from './contradictions.ts';
import type { Literal, Normal } from './literals.ts';

/** Combinations of alternatives that are tried before a condition counts as one that can hold. */
const MAX_STEPS = 2_000;

type Alternative = Extract<Normal, { readonly operands: readonly Normal[] }>;

interface Search {
  steps: number;
  /** Literals that contradict each other, each set once, by the first combination that has them. */
  readonly found: (readonly Literal[])[];
}

/** Whether the literals hold together with one operand of each alternative, or may. */
const mayHold = (search: Search, literals: readonly Literal[], rest: readonly Normal[]): boolean => {
  const own = [...literals];
  const alternatives: Alternative[] = [];
  const open = [...rest];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.kind === 'literal') own.push(next.literal);
    else if (next.kind === 'constant') {
      if (!next.value) return false;
    } else if (next.kind === 'and') open.push(...next.operands);
    else alternatives.push(next);
  }
  search.steps++;
  if (search.steps > MAX_STEPS) return true;
  const contradiction = contradictionOf(own);
  if (contradiction !== undefined) {
    search.found.push(contradiction);
    return false;
  }
  const [first, ...others] = alternatives.sort((one, other) => one.operands.length - other.operands.length);
  return first === undefined || first.operands.some((operand) => mayHold(search, own, [operand, ...others]));
};

/**
 * Why no event whose fields are known satisfies a condition: for each way through its alternatives, literals that contradict each
 * other. Undefined where an event may, or where that takes too long to tell; empty where the condition is the constant false.
 */
export const whyNever = (normal: Normal): readonly (readonly Literal[])[] | undefined => {
  const search: Search = { steps: 0, found: [] };
  return mayHold(search, [], [normal]) ? undefined : search.found;
};
