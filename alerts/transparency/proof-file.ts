import { HASH_BYTES } from './hash.ts';

/** That an entry is in a log, as a file of its own (C2SP tlog-proof). */
export interface TlogProof {
  /** From 0. */
  readonly index: number;
  readonly path: readonly Uint8Array[];
  /** The note of a checkpoint. */
  readonly checkpoint: string;
  /** The entry's bytes, where they are with the proof: nothing signs this copy, its hash does. */
  readonly extra?: Uint8Array;
}

/** That a log has only grown from an earlier state, as a file of its own. */
export interface GrowthProof {
  /** What the log was: so many entries, with this root. */
  readonly from: number;
  readonly fromRoot: Uint8Array;
  readonly path: readonly Uint8Array[];
  readonly checkpoint: string;
}

const TLOG_PROOF = 'c2sp.org/tlog-proof@v1';
/** Of our own making, after the other: C2SP has no such file. */
const GROWTH_PROOF = 'shrike/consistency-proof@v1';

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const lines = (path: readonly Uint8Array[]): string => path.map((hash) => `${base64(hash)}\n`).join('');

export const formatTlogProof = ({ index, path, checkpoint, extra }: TlogProof): string =>
  `${TLOG_PROOF}\n${extra === undefined ? '' : `extra ${base64(extra)}\n`}index ${index}\n${lines(path)}\n${checkpoint}`;

export const formatGrowthProof = ({ from, fromRoot, path, checkpoint }: GrowthProof): string =>
  `${GROWTH_PROOF}\nfrom ${from} ${base64(fromRoot)}\n${lines(path)}\n${checkpoint}`;

const decode = (text: string | undefined, bytes?: number): Uint8Array | undefined => {
  const decoded = Buffer.from(text ?? '', 'base64');
  const isWhole = text !== undefined && decoded.toString('base64') === text;
  return isWhole && (bytes === undefined || decoded.length === bytes) ? decoded : undefined;
};

const wrong = (line: number, expected: string): never => {
  throw new Error(`line ${line} of the proof: expected ${expected}`);
};

const NUMBER = '(0|[1-9][0-9]{0,15})';

const hashesOf = (encoded: readonly string[], firstLine: number): readonly Uint8Array[] =>
  encoded.map((each, at) => decode(each, HASH_BYTES) ?? wrong(firstLine + at, 'a hash of 32 bytes in base64'));

/** Reads a proof of either kind. @throws Error that names the line that is wrong */
export const parseProofFile = (
  text: string,
): ({ kind: 'inclusion' } & TlogProof) | ({ kind: 'growth' } & GrowthProof) => {
  const split = text.indexOf('\n\n');
  const [format, ...head] = text.slice(0, Math.max(0, split)).split('\n');
  if (split < 0 || (format !== TLOG_PROOF && format !== GROWTH_PROOF))
    throw new Error(
      `not a proof: expected "${TLOG_PROOF}" or "${GROWTH_PROOF}" in the first line, and a checkpoint behind an empty one`,
    );
  const checkpoint = text.slice(split + 2);
  if (format === GROWTH_PROOF) {
    const [, from, root] = new RegExp(`^from ${NUMBER} (\\S+)$`).exec(head[0] ?? '') ?? [];
    const fromRoot = decode(root, HASH_BYTES) ?? wrong(2, '"from", a size and a root hash');
    return { kind: 'growth', from: Number(from), fromRoot, path: hashesOf(head.slice(1), 3), checkpoint };
  }
  const hasExtra = head[0]?.startsWith('extra ') === true;
  const extra = hasExtra ? (decode(head[0]?.slice(6)) ?? wrong(2, '"extra" and base64')) : undefined;
  const at = hasExtra ? 1 : 0;
  const [, index = wrong(2 + at, '"index" and a number')] = new RegExp(`^index ${NUMBER}$`).exec(head[at] ?? '') ?? [];
  const path = hashesOf(head.slice(at + 1), 3 + at);
  return { kind: 'inclusion', index: Number(index), path, checkpoint, ...(extra && { extra }) };
};
