import { type Bound, Truth } from '../language/index.ts';
import type { Formula } from '../plan/index.ts';
import type { Leaf, Leaves } from './dimensions.ts';

/** A formula over the places of truths. A leaf holds where its truth is one of those in `accepts`, a bit each. */
export type LeafFormula =
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly LeafFormula[] }
  /** `predicate`: the number of the one that it is of. */
  | { readonly kind: 'leaf'; readonly leaf: Leaf; readonly predicate: number; readonly accepts: number };

const bit = (truth: Truth): number => 1 << truth;

/** A byte that nobody wrote is unknown, too. */
const UNKNOWN = bit(Truth.UNKNOWN) | 1;

/** The truths for which a literal holds. */
const accepted = (negated: boolean, bound: Bound): number => {
  if (bound === 'certain') return bit(negated ? Truth.FALSE : Truth.TRUE);
  return UNKNOWN | (negated ? bit(Truth.FALSE) | bit(Truth.ABSENT) : bit(Truth.TRUE));
};

/** Whether a truth is one of those accepted. */
export const accepts = (accepts: number, truth: number): boolean => ((accepts >> truth) & 1) === 1;

/** A rule's formula with its predicates replaced by where their truths are; a predicate without a place is unknown. */
export const toLeaves = (formula: Formula, bound: Bound, predicates: readonly Leaves[]): LeafFormula => {
  switch (formula.kind) {
    case 'constant':
      return formula;
    case 'literal': {
      const { leaves, join } = predicates[formula.predicate] ?? { leaves: [], join: 'any' };
      const own = accepted(formula.negated, bound);
      const operands = leaves.map(
        (leaf): LeafFormula => ({
          kind: 'leaf',
          leaf,
          predicate: formula.predicate,
          accepts: own,
        }),
      );
      const [first] = operands;
      if (first === undefined) return { kind: 'constant', value: accepts(own, Truth.UNKNOWN) };
      return operands.length === 1 ? first : { kind: (join === 'any') === formula.negated ? 'and' : 'or', operands };
    }
    default: {
      const operands: LeafFormula[] = [];
      for (const operand of formula.operands) {
        const made = toLeaves(operand, bound, predicates);
        if (made.kind !== 'constant') operands.push(made);
        else if (made.value === (formula.kind === 'or')) return made;
      }
      const [first] = operands;
      if (first === undefined) return { kind: 'constant', value: formula.kind === 'and' };
      return operands.length === 1 ? first : { kind: formula.kind, operands };
    }
  }
};

/** Whether a formula holds, given which of its leaves do. */
export const holds = (formula: LeafFormula, leafHolds: (leaf: Leaf, accepts: number) => boolean): boolean => {
  switch (formula.kind) {
    case 'constant':
      return formula.value;
    case 'leaf':
      return leafHolds(formula.leaf, formula.accepts);
    case 'and':
      return formula.operands.every((operand) => holds(operand, leafHolds));
    default:
      return formula.operands.some((operand) => holds(operand, leafHolds));
  }
};

/** The leaves of a formula, in its order. */
export const leavesOf = (formula: LeafFormula, into: Leaf[] = []): readonly Leaf[] => {
  if (formula.kind === 'leaf') into.push(formula.leaf);
  else if (formula.kind !== 'constant') for (const operand of formula.operands) leavesOf(operand, into);
  return into;
};

/** Where a chain ends. */
export const NO = 0;
export const YES = 1;
/** The number of the first node. */
export const FIRST_NODE = 2;

/** A step of a decision: goes on at `hit` where the leaf's truth is one of `accepts`, else at `miss`. */
export interface ChainNode {
  readonly leaf: Leaf;
  readonly predicate: number;
  readonly accepts: number;
  readonly hit: number;
  readonly miss: number;
}

/**
 * Adds the nodes of a formula's decision to `nodes`, each behind those that it leads to, and returns where it begins: a chain never goes
 * back, and asks each leaf at most once.
 */
export const addChain = (nodes: ChainNode[], formula: LeafFormula, hit: number = YES, miss: number = NO): number => {
  switch (formula.kind) {
    case 'constant':
      return formula.value ? hit : miss;
    case 'leaf':
      return (
        FIRST_NODE -
        1 +
        nodes.push({ leaf: formula.leaf, predicate: formula.predicate, accepts: formula.accepts, hit, miss })
      );
    default: {
      let next = formula.kind === 'and' ? hit : miss;
      for (const operand of formula.operands.toReversed())
        next = formula.kind === 'and' ? addChain(nodes, operand, next, miss) : addChain(nodes, operand, hit, next);
      return next;
    }
  }
};

/** Bytes of a node in the tables, and offsets into it. */
export const NODE = {
  /** Where the column's truth is in row 0 of its dimension; of a byte, its offset in the record. */
  base: 0,
  /** Offset in the record of the number of the dimension's row; 0: the truth is a byte of the record. */
  cell: 4,
  /** Bytes a row. */
  width: 6,
  hit: 8,
  miss: 12,
  accepts: 16,
  size: 24,
} as const;
