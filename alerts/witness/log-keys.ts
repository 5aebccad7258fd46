import { rotationIn } from '../audit/rotations.ts';
import { subjectToken } from '../nats/subject.ts';
import type { FoundCheckpoint } from '../transparency/checkpoint.ts';
import { parseVerifier } from '../transparency/key.ts';
import { checkSignature } from '../transparency/note.ts';
import type { WitnessedLog } from './state.ts';
import type { TrustedKeys } from './trust.ts';

/** Logs of one host that are taken on trust; a host that shows more keys than that is not believed. */
const MOST_LOGS_A_HOST = 1_000;

/** What a request says of its log's keys. */
export interface ShownKeys {
  /** The host in the subject: the agent could not have asked there as another. */
  readonly hostToken: string;
  /** The log's public key, as the request has it. */
  readonly key?: string;
  /** What proves that the log's key was changed, oldest first. */
  readonly rotations?: readonly string[];
}

export interface LogKeysOptions {
  readonly trust: TrustedKeys;
  /** Whether a log's key is believed that comes with its first checkpoint. */
  readonly trustOnFirstUse: boolean;
  readonly logs: ReadonlyMap<string, WitnessedLog>;
}

/** The host of a log, as a token of subjects. */
export const hostOf = (origin: string): string => subjectToken(origin.split('/')[0] ?? '');

const nameOf = (key: string): string | undefined => {
  try {
    return parseVerifier(key).name;
  } catch {
    return undefined;
  }
};

const rotationOf = (text: string): ReturnType<typeof rotationIn> | undefined => {
  try {
    return rotationIn(text);
  } catch {
    return undefined;
  }
};

/** Those of some keys that have signed a checkpoint. */
export const signedBy = (found: FoundCheckpoint, keys: readonly string[]): readonly string[] =>
  keys.filter((key) => {
    const verifier = parseVerifier(key);
    return verifier.name === found.origin && checkSignature(found.note, verifier) === 'signed';
  });

/** Knows by which keys a log is known, as text, the newest last. */
export const createLogKeys = ({
  trust,
  trustOnFirstUse,
  logs,
}: LogKeysOptions): { of(origin: string, shown: ShownKeys): readonly string[] } => {
  /** Without those that they were changed to; a log that nobody knows brings its own where first use is trusted. */
  const first = (origin: string, { hostToken, key }: ShownKeys): readonly string[] => {
    const named = trust.of(origin);
    if (named.length > 0 || !trustOnFirstUse) return named;
    const kept = logs.get(origin)?.keys;
    if (kept !== undefined) return kept;
    const ofHost = [...logs.keys()].filter((each) => hostOf(each) === hostToken).length;
    return key !== undefined && ofHost < MOST_LOGS_A_HOST && nameOf(key) === origin ? [key] : [];
  };
  return {
    of(origin, shown) {
      const keys = [...first(origin, shown)];
      for (const text of shown.rotations ?? []) {
        const rotation = rotationOf(text);
        if (rotation?.to.name === origin && keys.includes(rotation.from.text) && !keys.includes(rotation.to.text))
          keys.push(rotation.to.text);
      }
      return keys;
    },
  };
};
