import { type FoundCheckpoint, openCheckpoint } from '../transparency/checkpoint.ts';
import { sameHash } from '../transparency/hash.ts';
import type { Verifier } from '../transparency/key.ts';
import { isConsistent } from '../transparency/proof.ts';
import { statementIn } from './statement.ts';

/** Two signed checkpoints of one log that exclude each other, with what shows it. */
export interface Evidence {
  /** The one that a witness cosigned. */
  readonly known: string;
  /** The one that the log showed after it. */
  readonly offered: string;
  /** Where the log showed a larger one: the path from its own first entries to it, as many as `known` has (RFC 6962, section 2.1.2). */
  readonly proof?: readonly Uint8Array[];
  /** The root that the log has for those first entries. */
  readonly oldRoot?: Uint8Array;
}

/** What evidence proves of a log. */
export interface Proven {
  readonly kind: 'forked' | 'shrunk' | 'unsealed';
  readonly knownSize: number;
  readonly offeredSize: number;
  readonly sentence: string;
}

const entries = (size: number): string => `${size} ${size === 1 ? 'entry' : 'entries'}`;

const proven = (kind: Proven['kind'], known: FoundCheckpoint, offered: FoundCheckpoint, sentence: string): Proven => ({
  kind,
  knownSize: known.size,
  offeredSize: offered.size,
  sentence,
});

/** What two checkpoints, whose signatures are checked, prove of their log; undefined where they prove nothing. */
export const provenBy = (
  known: FoundCheckpoint,
  offered: FoundCheckpoint,
  { proof = [], oldRoot }: Pick<Evidence, 'proof' | 'oldRoot'> = {},
): Proven | undefined => {
  const name = known.origin;
  if (offered.size === known.size)
    return sameHash(known.root, offered.root)
      ? undefined
      : proven('forked', known, offered, `${name} signed two different logs of ${entries(known.size)}`);
  if (offered.size < known.size) {
    const statement = statementIn(offered);
    const isShorter =
      statement?.kind === 'after' && statement.size === known.size && sameHash(statement.root, known.root);
    return isShorter
      ? proven(
          'shrunk',
          known,
          offered,
          `${name} signed that it has ${entries(offered.size)} after it had ${known.size}`,
        )
      : undefined;
  }
  if (oldRoot === undefined || sameHash(oldRoot, known.root)) return undefined;
  return isConsistent({ from: known.size, fromRoot: oldRoot, to: offered.size, toRoot: offered.root, path: proof })
    ? proven(
        'forked',
        known,
        offered,
        `${name} signed a log of ${entries(offered.size)} that does not begin with the ${known.size} it had signed before`,
      )
    : undefined;
};

/**
 * What evidence proves against the log whose key this is; `offeredKey` where it had another later.
 * @throws Error where a checkpoint is not the key's
 */
export const checkEvidence = (evidence: Evidence, key: Verifier, offeredKey = key): Proven | undefined => {
  const [known, offered] = [openCheckpoint(evidence.known, key), openCheckpoint(evidence.offered, offeredKey)];
  const found = provenBy(known, offered, evidence);
  if (found !== undefined || statementIn(offered)?.kind !== 'unsealed') return found;
  return proven('unsealed', known, offered, `${offered.origin} signed that it is not sealed any more`);
};
