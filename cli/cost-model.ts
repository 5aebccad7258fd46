import type { Placement, Predicate } from '../rules/index.ts';

/**
 * Nanoseconds on a server's core, caches warm, from test runs of such programs on Linux 6.18. Cold caches cost 5 to 10 times more. Rules share
 * what is read once an event, and mostly also the lookups: a rule costs less beside others than alone.
 */
const NS = {
  /** Entering the program, finding the event's rules, the observed scope. */
  event: 25,
  /** A number's row of rules. */
  number: 5,
  address: 10,
  /** Comparing the cgroups above a task. */
  scope: 10,
  /** Finding a row in a hash map: a process's bits, an ancestor's, a container's, a user's. */
  lookup: 60,
  /** Walking to a file's path, or reading one from the caller's memory. */
  read: 110,
  /** Through an automaton, a byte. */
  byte: 2,
  /** A predicate in user space. */
  after: 500,
} as const;

/** Bytes that are assumed of a string. */
const PATH_BYTES = 40;
const NAME_BYTES = 12;
/** Ancestors that are assumed where any will do. */
const ANCESTORS = 4;

/** What an event may cost, in nanoseconds. */
export interface SiteCost {
  /** One that numbers, the scope and facts of processes turn away. */
  readonly early: number;
  /** One for which all is evaluated that the program evaluates. */
  readonly all: number;
  /** One for which user space also evaluates what is left. */
  readonly after: number;
}

/** What a predicate costs by itself. @returns nanoseconds; 0 for what is known before */
export const predicateCost = ({ placed }: Pick<Placement, 'placed'>): number => {
  if (placed.kind === 'constant') return 0;
  if (placed.kind === 'user') return NS.after;
  const { kernel } = placed;
  switch (kernel.place) {
    case 'number':
      return NS.number;
    case 'address':
    case 'port':
      return NS.address;
    case 'scope':
      return NS.scope;
    case 'facts':
      return NS.lookup;
    case 'process':
      return NS.lookup * (kernel.depth === 'any' ? ANCESTORS : 1 + kernel.depth);
    case 'string':
      return NS.read + NS.byte * (kernel.part === 'filename' ? NAME_BYTES : PATH_BYTES);
  }
};

/** What is looked at once, however many predicates are about it. */
const sharedKey = ({ placed, predicate }: Placement): string | Predicate => {
  if (placed.kind !== 'kernel') return predicate;
  const { kernel } = placed;
  switch (kernel.place) {
    case 'process':
      return `process ${kernel.depth}`;
    case 'string':
      return `string ${kernel.of}`;
    case 'facts':
      return `facts ${kernel.of}`;
    default:
      return predicate;
  }
};

/** What an event costs at a hook, by the predicates of a rule that are evaluated there. */
export const siteCost = (placements: readonly Placement[]): SiteCost => {
  const costs = new Map<string | Predicate, { readonly ns: number; readonly stage: keyof SiteCost }>();
  for (const placement of placements) {
    const { placed } = placement;
    const ns = predicateCost(placement);
    const late = placed.kind === 'kernel' && placed.kernel.place === 'string';
    const stage = placed.kind === 'user' ? 'after' : late ? 'all' : 'early';
    const key = sharedKey(placement);
    costs.set(key, { ns: Math.max(ns, costs.get(key)?.ns ?? 0), stage });
  }
  const sum = (wanted: keyof SiteCost): number =>
    [...costs.values()].reduce((total, { ns, stage }) => total + (stage === wanted ? ns : 0), 0);
  const early = NS.event + sum('early');
  const all = early + sum('all');
  return { early, all, after: all + sum('after') };
};
