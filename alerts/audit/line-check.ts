import { type HashText, leafHashIn } from '../transparency/hash.ts';
import { type AuditFinding, entriesAre } from './finding.ts';
import { type DecodedLine, decodeLine } from './line.ts';
import type { TakeLine } from './raw-lines.ts';
import type { SignedHashes } from './signed-hashes.ts';

/** Checks the lines of a log, one after the other, against the hashes that were signed. */
export interface LineCheck {
  /** The entry that comes next. */
  readonly expected: number;
  /** Entries whose lines are those that were signed. */
  readonly verified: number;
  /** Entries behind the checkpoint. */
  readonly unsigned: number;
  /** The last entry of which a signed one says that retention removed it and what came before; 0 where none says so. */
  readonly removedUpTo: number;
  /** Goes on with a segment that begins with an entry. */
  begin(path: string, firstSeq: number, isLast: boolean): void;
  readonly take: TakeLine;
}

const PREFIX = new TextEncoder().encode('{"v":1,"seq":');
const [ZERO, NINE, LETTER_S, LETTER_H] = new TextEncoder().encode('09sh') as unknown as [
  number,
  number,
  number,
  number,
];
/** From the end of the number to the kind. */
const KIND_AFTER = ',"time":"2026-01-02T03:04:05.678900000Z","kind":"'.length;

/** What a line that was signed says of itself, from its first bytes: its number, and whether it is of the kind `shed`. */
const sayOf = (bytes: Uint8Array, from: number, to: number): { readonly seq: number; readonly isShed: boolean } => {
  for (let at = 0; at < PREFIX.length; at++) if (bytes[from + at] !== PREFIX[at]) return { seq: 0, isShed: false };
  let seq = 0;
  let at = from + PREFIX.length;
  for (; at < to && bytes[at]! >= ZERO && bytes[at]! <= NINE; at++) seq = 10 * seq + bytes[at]! - ZERO;
  return { seq, isShed: bytes[at + KIND_AFTER] === LETTER_S && bytes[at + KIND_AFTER + 1] === LETTER_H };
};

/** The last entry that retention removed, where an entry records that. */
const removedBy = (decoded: DecodedLine): number => {
  if (!decoded.ok || decoded.entry.kind !== 'shed') return 0;
  const body = decoded.entry.body as { readonly segment?: unknown; readonly to?: unknown } | null;
  return typeof body?.segment === 'string' && typeof body.to === 'number' ? body.to : 0;
};

const saidBy = (decoded: DecodedLine): string =>
  decoded.ok ? `it is entry ${decoded.entry.seq}` : `${decoded.problem} at byte ${decoded.byte}`;

/** @param firstKept the entry that the first segment begins with */
export const createLineCheck = (
  signed: SignedHashes,
  firstKept: number,
  found: (finding: AuditFinding) => void,
): LineCheck => {
  const { size } = signed;
  let path = '';
  /** The entry that the segment begins with by its name. */
  let named = firstKept;
  let isLastSegment = false;
  let expected = firstKept;
  let verified = 0;
  let unsigned = 0;
  let removedUpTo = 0;
  const about = (code: AuditFinding['code'], seq: number, message: string): void =>
    found({ code, first: seq, last: seq, message });
  const missing = (first: number, last: number, where: string): void =>
    found({ code: 'missing', first, last, message: `${where}: ${entriesAre(first, last)} missing` });

  /** A line behind all that is signed. */
  const takeUnsigned = (line: Uint8Array, place: string): void => {
    const decoded = decodeLine(line);
    if (decoded.ok && decoded.entry.seq === expected) unsigned++;
    else about('extra', expected, `${place}: not the entry ${expected} that comes next: ${saidBy(decoded)}`);
    expected++;
  };

  /** Says what a line is that isn't the one that was signed in its place. */
  const judge = (line: Uint8Array, hash: HashText, place: string): void => {
    const decoded = decodeLine(line);
    if (!decoded.ok) {
      about('changed', expected, `${place}: entry ${expected} was changed: ${saidBy(decoded)}`);
      expected++;
      return;
    }
    const { seq } = decoded.entry;
    const isGenuine = signed.has(seq, hash) === true;
    if (isGenuine && seq > expected) {
      missing(expected, seq - 1, place);
      verified++;
      expected = seq + 1;
    } else if (isGenuine) {
      about('moved', seq, `${place}: entry ${seq} stands here too late or again, where entry ${expected} should be`);
    } else {
      const whose = seq === expected ? '' : `, and says that it is entry ${seq}`;
      const problem = 'its checksum holds, its hash is not the one that was signed';
      about('changed', expected, `${place}: entry ${expected} was changed: ${problem}${whose}`);
      expected++;
    }
  };

  /** Looks at the first line of a segment that another one should follow, or whose name is another's. */
  const enter = (hash: HashText): void => {
    if (signed.has(expected, hash) === true) {
      const message = `${path}: begins with entry ${expected}, not with ${named} as its name says: it was renamed, or lines before it were moved`;
      about('moved', expected, message);
    } else if (named > expected) {
      missing(expected, Math.min(named - 1, Math.max(size, expected)), path);
      expected = named;
    }
  };

  return {
    get expected() {
      return expected;
    },
    get verified() {
      return verified;
    },
    get unsigned() {
      return unsigned;
    },
    get removedUpTo() {
      return removedUpTo;
    },
    begin: (next, firstSeq, isLast) => {
      path = next;
      named = firstSeq;
      isLastSegment = isLast;
    },
    take: (bytes, from, to, number, isWhole) => {
      const hash = expected > size ? '' : leafHashIn(bytes, from, to);
      if (number === 1 && named !== expected) enter(hash);
      if (expected > size) {
        if (isWhole || !isLastSegment) takeUnsigned(bytes.subarray(from, to), `${path}:${number}`);
        return;
      }
      const isSigned = signed.has(expected, hash);
      if (isSigned === false) {
        judge(bytes.subarray(from, to), hash, `${path}:${number}`);
        return;
      }
      const seq = expected++;
      if (isSigned === undefined) return;
      verified++;
      if (!isWhole) about('changed', seq, `${path}:${number}: entry ${seq} has lost its newline`);
      const said = sayOf(bytes, from, to);
      if (said.seq !== seq)
        about(
          'changed',
          seq,
          `${path}:${number}: entry ${seq} is as it was signed, but ${said.seq === 0 ? 'is no entry' : `says that it is entry ${said.seq}`}: whoever has the log's key wrote it so`,
        );
      if (said.isShed) removedUpTo = Math.max(removedUpTo, removedBy(decodeLine(bytes.subarray(from, to))));
    },
  };
};
