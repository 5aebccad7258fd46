import { HASH_BYTES } from '../transparency/hash.ts';

/** What a log asks a witness for (C2SP tlog-witness, add-checkpoint). */
export interface AddCheckpoint {
  /** The size of the checkpoint that the proof begins with; 0 for none. */
  readonly old: number;
  readonly proof: readonly Uint8Array[];
  /** The checkpoint, a signed note. */
  readonly checkpoint: string;
}

const MOST_HASHES = 63;
const OLD = /^old (0|[1-9][0-9]{0,15})$/;

const encoded = (hash: Uint8Array): string => Buffer.from(hash).toString('base64');

/** A hash in base64; undefined for what is none. */
export const hashOf = (text: string): Uint8Array | undefined => {
  const hash = Buffer.from(text, 'base64');
  return hash.length === HASH_BYTES && hash.toString('base64') === text ? hash : undefined;
};

/** The body of an add-checkpoint request (C2SP tlog-witness). */
export const addCheckpointBody = ({ old, proof, checkpoint }: AddCheckpoint): string =>
  `${[`old ${old}`, ...proof.map(encoded)].join('\n')}\n\n${checkpoint}`;

/** Reads the body of an add-checkpoint request. @throws Error that says what is wrong with it */
export const parseAddCheckpoint = (body: string): AddCheckpoint => {
  const split = body.indexOf('\n\n');
  const [first = '', ...lines] = split < 0 ? [] : body.slice(0, split).split('\n');
  const old = Number(OLD.exec(first)?.[1] ?? Number.NaN);
  if (!Number.isSafeInteger(old))
    throw new Error('no add-checkpoint request: expected "old SIZE", hashes, an empty line and a checkpoint');
  if (lines.length > MOST_HASHES)
    throw new Error(`a proof of ${lines.length} hashes; there are never more than ${MOST_HASHES}`);
  const proof = lines.map((line) => {
    const hash = hashOf(line);
    if (hash === undefined) throw new Error(`${JSON.stringify(line)} is no hash of ${HASH_BYTES} bytes in base64`);
    return hash;
  });
  return { old, proof, checkpoint: body.slice(split + 2) };
};
