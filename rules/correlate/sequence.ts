import type { FieldSource } from '../language/index.ts';
import { type Kin, selfAndMakers } from './lineage.ts';
import { createRecency } from './recency.ts';
import type { Dropped, Occurrence, SequenceStep } from './spec.ts';

/** A match of a step, with the values of its event that the alert will show. */
export interface StepMatch extends Occurrence {
  readonly values: FieldSource;
}

/** Keys that one rule may keep at most. */
export interface SequenceLimits {
  readonly keys: number;
}

const LIMITS: SequenceLimits = { keys: 16_384 };

/** Matches the steps of one rule by key. */
export interface SequenceState {
  readonly kind: 'sequence';
  /**
   * Takes a match of a step (from 1), those of one event highest step first; says which matches complete the sequence with it, and starts
   * that key anew. `kin` is the event's process where the sequence goes by trees.
   */
  match(step: number, key: string, match: StepMatch, kin: Kin | undefined): readonly StepMatch[] | undefined;
  readonly dropped: Dropped;
  readonly keys: number;
}

/** For each step but the last the chain up to it that began last: where any can be completed in time, it can. */
interface Chains {
  readonly upTo: (readonly StepMatch[] | undefined)[];
  readonly kin: Kin | undefined;
  /** Time of the first step that was seen last. */
  newest: bigint;
}

const beginning = (chain: readonly StepMatch[]): bigint => chain[0]?.time ?? 0n;

/** Exact for matches in the order of their times; one that comes later does not follow those that are later than it. */
export const createSequence = (
  { steps, within }: Pick<SequenceStep, 'steps' | 'within'>,
  limits: SequenceLimits = LIMITS,
): SequenceState => {
  const kept = createRecency<Chains>();
  const dropped: Dropped = { keys: 0, matches: 0 };
  const remove = (key: string, chains: Chains): void => {
    kept.delete(key);
    if (chains.kin !== undefined) chains.kin.held--;
  };
  const makeRoom = (now: bigint): void => {
    for (;;) {
      const { oldest } = kept;
      if (oldest === undefined) return;
      const { key, value } = oldest;
      const expired = now - value.newest > within;
      if (!expired && kept.size < limits.keys) return;
      if (!expired) {
        dropped.keys++;
        dropped.matches += new Set(value.upTo.flat()).size;
      }
      remove(key, value);
    }
  };
  const begin = (key: string, match: StepMatch, kin: Kin | undefined): void => {
    let chains = kept.get(key);
    if (chains === undefined) {
      makeRoom(match.time);
      chains = { upTo: [], kin, newest: match.time };
      if (kin !== undefined) kin.held++;
    }
    kept.use(key, chains);
    if (match.time > chains.newest) chains.newest = match.time;
    const [before] = chains.upTo;
    if (before === undefined || beginning(before) <= match.time) chains.upTo[0] = [match];
  };
  /** Lengthens a chain by a step after the first; the whole sequence where it is the last. */
  const follow = (chains: Chains, step: number, match: StepMatch): readonly StepMatch[] | undefined => {
    const before = chains.upTo[step - 2];
    const last = before?.at(-1);
    if (before === undefined || last === undefined || match.time < last.time) return undefined;
    if (match.time - beginning(before) > within) return undefined;
    const chain = [...before, match];
    if (step === steps) return chain;
    const known = chains.upTo[step - 1];
    if (known === undefined || beginning(known) <= beginning(before)) chains.upTo[step - 1] = chain;
    return undefined;
  };
  return {
    kind: 'sequence',
    dropped,
    get keys() {
      return kept.size;
    },
    match: (step, key, match, kin) => {
      if (step === 1) {
        begin(kin === undefined ? key : `${kin.number} ${key}`, match, kin);
        return undefined;
      }
      let best: readonly StepMatch[] | undefined;
      const tryAt = (place: string): void => {
        const chains = kept.get(place);
        if (chains === undefined) return;
        kept.use(place, chains);
        const whole = follow(chains, step, match);
        if (whole === undefined) return;
        remove(place, chains);
        if (best === undefined || beginning(whole) > beginning(best)) best = whole;
      };
      if (kin === undefined) tryAt(key);
      else if (kept.size > 0) for (const each of selfAndMakers(kin)) if (each.held > 0) tryAt(`${each.number} ${key}`);
      return best;
    },
  };
};
