import type { AuditFinding } from '../../../alerts/audit/finding.ts';
import { AUDIT_KINDS, decodeLine } from '../../../alerts/audit/line.ts';
import { CHECKPOINT_FILE } from '../../../alerts/audit/seal.ts';
import { signCheckpoint } from '../../../alerts/transparency/checkpoint.ts';
import { HASH_BYTES, leafHash } from '../../../alerts/transparency/hash.ts';
import { createSigner, type Signer } from '../../../alerts/transparency/key.ts';
import { TILE_WIDTH } from '../../../alerts/transparency/tile.ts';
import type { Random } from '../../support/random.ts';
import {
  ENTRIES,
  FIRSTS,
  lineOf,
  linesOf,
  nameOf,
  ORIGIN,
  SEGMENT_ENTRIES,
  sealFiles,
  segmentFiles,
  segmentStartOf,
  type Tampered,
  UNSIGNED,
} from './tamper-log.ts';

/** What the first finding has to be, by what was really changed; no finding at all: `nothing`. */
export type Expected = Partial<Omit<AuditFinding, 'message'>> | 'nothing';

/** What somebody does to a log's files. `signer` has the log's own key. */
export type Change = (log: Tampered, random: Random, signer: Signer) => Expected;

const LINES = linesOf();
const LAST = FIRSTS.at(-1)!;
const SEGMENT_AFTER: Readonly<Record<number, number>> = { 1: 151, 151: 301, 301: 451 };
const FULL_TILES = ['tile/0/000', 'tile/0/001'];
const EDGE_TILES = ['tile/0/002.p/88', 'tile/1/000.p/2'];
const rangeOf = (tile: number): Expected => ({
  code: 'tile',
  first: tile * TILE_WIDTH + 1,
  last: (tile + 1) * TILE_WIDTH,
});

const anyEntry = (random: Random): number => random.between(1, ENTRIES);

/** Another byte in its place, one more, or up to 30 fewer. */
const changeBytes = (bytes: Buffer, at: number, random: Random): Buffer => {
  const rest = bytes.subarray(at);
  const flipped = Uint8Array.of(bytes[at]! ^ (1 << random.below(8)));
  const put = random.pick([
    [flipped, rest.subarray(1)],
    [Uint8Array.of(random.below(256)), rest],
    [rest.subarray(1 + random.below(30))],
  ]);
  return Buffer.concat([bytes.subarray(0, at), ...put]);
};

/** The first entry of a segment that isn't what it was. */
const firstDifferent = (first: number, before: Buffer, after: Buffer): number => {
  const [was, is] = [before, after].map((bytes) => bytes.toString('latin1').split('\n')) as [string[], string[]];
  const index = was.findIndex((line, at) => line !== is[at]);
  if (index < 0) return first + SEGMENT_ENTRIES;
  return first + (is[index] === undefined && was[index] === '' ? index - 1 : index);
};

/** Bytes of a segment that are signed. */
const signedBytes = (first: number): number =>
  LINES.slice(first - 1, first - 1 + SEGMENT_ENTRIES).reduce((sum, line) => sum + line.length + 1, 0);

const editLine = (log: Tampered, seq: number, edit: (line: string) => string): void => {
  const first = segmentStartOf(seq);
  const lines = log.lines(first);
  log.putLines(first, lines.with(seq - first, edit(lines[seq - first]!)));
};

/** Another record in an entry's place, with a checksum that fits. */
const otherRecord = (seq: number, random: Random): string => {
  const decoded = decodeLine(Buffer.from(LINES[seq - 1]!));
  if (!decoded.ok) throw new Error(decoded.problem);
  const { time, kind, body } = decoded.entry;
  return lineOf({
    seq,
    time,
    kind,
    body,
    ...random.pick([
      { body: { rule: 'nothing', n: random.below(100) } },
      { body: {} },
      { seq: 1 + ((seq + random.below(ENTRIES - 1)) % ENTRIES) },
      { time: `2027-01-02T03:04:05.${String(random.below(1000)).padStart(9, '0')}Z` },
      { kind: random.pick(AUDIT_KINDS.filter((each) => each !== kind)) },
    ]),
  });
};

/** Two entries, the earlier first. */
const twoEntries = (random: Random, first: number, last: number): readonly [number, number] => {
  const one = random.between(first, last - 1);
  return [one, random.between(one + 1, last)];
};

const moved = (lines: readonly string[], from: number, to: number): readonly string[] =>
  lines.toSpliced(from, 1).toSpliced(to, 0, lines[from]!);

const CHANGES_OF_LINES: Readonly<Record<string, Change>> = {
  'bytes of lines': (log, random) => {
    const first = random.pick(FIRSTS);
    const before = log.read(nameOf(first));
    const after = changeBytes(before, random.below(signedBytes(first)), random);
    log.write(nameOf(first), after);
    return { first: firstDifferent(first, before, after) };
  },
  'a record, its checksum left': (log, random) => {
    const seq = anyEntry(random);
    editLine(log, seq, (line) => `${otherRecord(seq, random).slice(0, -21)}${line.slice(-21)}`);
    return { code: 'changed', first: seq, last: seq };
  },
  'a record, its checksum made anew': (log, random) => {
    const seq = anyEntry(random);
    editLine(log, seq, () => otherRecord(seq, random));
    return { code: 'changed', first: seq, last: seq };
  },
  'a checksum': (log, random) => {
    const seq = anyEntry(random);
    editLine(log, seq, (line) => {
      const digits = Number.parseInt(line.slice(-10, -2), 16) ^ (1 + random.below(0xfffffff));
      return `${line.slice(0, -10)}${(digits >>> 0).toString(16).padStart(8, '0')}"}`;
    });
    return { code: 'changed', first: seq, last: seq };
  },
  'lines swapped in a segment': (log, random) => {
    const first = random.pick(FIRSTS);
    const [low, high] = twoEntries(random, 0, SEGMENT_ENTRIES - 1);
    const lines = log.lines(first);
    log.putLines(first, lines.with(low, lines[high]!).with(high, lines[low]!));
    return { code: 'missing', first: first + low, last: first + high - 1 };
  },
  'lines swapped between segments': (log, random) => {
    const [low, high] = [random.between(1, LAST - 1), random.between(LAST, ENTRIES)];
    editLine(log, low, () => LINES[high - 1]!);
    editLine(log, high, () => LINES[low - 1]!);
    return { code: 'missing', first: low, last: high - 1 };
  },
  'lines turned round': (log, random) => {
    const first = random.pick(FIRSTS);
    const [low, high] = twoEntries(random, 0, SEGMENT_ENTRIES - 1);
    const lines = log.lines(first);
    log.putLines(first, [...lines.slice(0, low), ...lines.slice(low, high + 1).reverse(), ...lines.slice(high + 1)]);
    return { code: 'missing', first: first + low, last: first + high - 1 };
  },
  'a line moved on': (log, random) => {
    const first = random.pick(FIRSTS);
    const [low, high] = twoEntries(random, 0, SEGMENT_ENTRIES - 1);
    log.putLines(first, moved(log.lines(first), low, high));
    return { code: 'missing', first: first + low, last: first + low };
  },
  'a line moved back': (log, random) => {
    const first = random.pick(FIRSTS);
    const [low, high] = twoEntries(random, 0, SEGMENT_ENTRIES - 1);
    log.putLines(first, moved(log.lines(first), high, low));
    return { code: 'missing', first: first + low, last: first + high - 1 };
  },
  'a line doubled': (log, random) => {
    const first = random.pick(FIRSTS);
    const index = random.below(SEGMENT_ENTRIES - 1);
    const again = random.between(index, SEGMENT_ENTRIES - 2);
    const lines = log.lines(first);
    log.putLines(first, lines.toSpliced(again + 1, 0, lines[index]!));
    return { code: 'moved', first: first + index, last: first + index };
  },
  'lines cut out': (log, random) => {
    const first = random.pick(FIRSTS.slice(0, -1));
    const index = random.below(SEGMENT_ENTRIES);
    const cut = random.between(1, Math.min(20, SEGMENT_ENTRIES - index));
    log.putLines(first, log.lines(first).toSpliced(index, cut));
    return { code: 'missing', first: first + index, last: first + index + cut - 1 };
  },
  'the end cut off, between lines': (log, random) => {
    const left = random.between(1, ENTRIES - 1);
    log.replace(segmentFiles(LINES.slice(0, left)));
    return { code: 'missing', first: left + 1, last: ENTRIES };
  },
  'the end cut off, in a line': (log, random) => {
    const left = random.below(ENTRIES);
    const kept = segmentFiles(LINES.slice(0, left + 1));
    log.replace(kept);
    const first = segmentStartOf(left + 1);
    const bytes = kept.get(nameOf(first))!;
    const cut = 2 + random.below(LINES[left]!.length - 2);
    log.write(nameOf(first), bytes.subarray(0, bytes.length - cut));
    return { code: 'changed', first: left + 1, last: left + 1 };
  },
  'a newline lost at the end': (log, random) => {
    const left = random.between(1, ENTRIES);
    const kept = segmentFiles(LINES.slice(0, left));
    log.replace(kept);
    const bytes = kept.get(nameOf(segmentStartOf(left)))!;
    log.write(nameOf(segmentStartOf(left)), bytes.subarray(0, -1));
    return { code: 'changed', first: left, last: left };
  },
};

const CHANGES_OF_SEGMENTS: Readonly<Record<string, Change>> = {
  'a segment removed': (log, random) => {
    const first = random.pick(FIRSTS.slice(1));
    log.remove(nameOf(first));
    return { code: 'missing', first, last: first + SEGMENT_ENTRIES - 1 };
  },
  'oldest segments removed without a record': (log, random) => {
    const removed = random.between(2, FIRSTS.length - 1);
    for (const first of FIRSTS.slice(0, removed)) log.remove(nameOf(first));
    return { code: 'missing', first: SEGMENT_ENTRIES + 1, last: removed * SEGMENT_ENTRIES };
  },
  'a segment emptied': (log, random) => {
    const first = random.pick(FIRSTS);
    log.putLines(first, []);
    return { code: 'missing', first, last: first + SEGMENT_ENTRIES - 1 };
  },
  'a segment doubled': (log, random) => {
    const first = random.pick(FIRSTS);
    const name = random.between(1, ENTRIES);
    if (FIRSTS.includes(name)) return { first: copyOver(log, first, name) };
    const behind = FIRSTS.find((each) => each > name) ?? ENTRIES + UNSIGNED + 1;
    log.write(nameOf(name), log.read(nameOf(first)));
    return { first: behind <= ENTRIES ? Math.min(first, behind) : behind };
  },
  'segments swapped': (log, random) => {
    const [low, high] = twoEntries(random, 0, FIRSTS.length - 1).map((index) => FIRSTS[index]!) as [number, number];
    const lines = log.lines(low);
    log.putLines(low, log.lines(high));
    log.putLines(high, lines);
    return { code: 'missing', first: low, last: high - 1 };
  },
  'a segment renamed': (log, random) => {
    const first = random.pick(FIRSTS.slice(1, -1));
    const to = random.between(first - SEGMENT_ENTRIES + 1, first + SEGMENT_ENTRIES - 2);
    const name = to >= first ? to + 1 : to;
    log.rename(nameOf(first), nameOf(name));
    return { code: 'moved', first, last: first };
  },
  'lines moved to the segment before': (log, random) => {
    const first = random.pick(FIRSTS.slice(0, -1));
    const after = SEGMENT_AFTER[first]!;
    const moving = random.between(1, SEGMENT_ENTRIES - 1);
    const lines = log.lines(after);
    log.putLines(first, [...log.lines(first), ...lines.slice(0, moving)]);
    log.putLines(after, lines.slice(moving));
    return { code: 'moved', first: after + moving, last: after + moving };
  },
  'lines moved to the segment behind': (log, random) => {
    const first = random.pick(FIRSTS.slice(0, -1));
    const after = SEGMENT_AFTER[first]!;
    const moving = random.between(1, SEGMENT_ENTRIES - 1);
    const lines = log.lines(first);
    log.putLines(first, lines.slice(0, -moving));
    log.putLines(after, [...lines.slice(-moving), ...log.lines(after)]);
    return { code: 'moved', first: after - moving, last: after - moving };
  },
  'a line that is not signed': (log, random) => {
    const seq = random.between(ENTRIES + 1, ENTRIES + UNSIGNED - 1);
    editLine(log, seq, (line) => {
      const bytes = Buffer.from(line, 'latin1');
      bytes[random.below(bytes.length)]! ^= 1;
      return bytes.toString('latin1');
    });
    return { code: 'extra', first: seq, last: seq };
  },
  'a line that is not the next one': (log, random) => {
    const seq = ENTRIES + UNSIGNED + 1;
    log.putLines(LAST, [...log.lines(LAST), lineOf({ seq: random.pick([seq + 1, seq - 1, 1, 300]), body: {} })]);
    return { code: 'extra', first: seq, last: seq };
  },
};

/** A segment's lines in the place of another's; returns the first entry that is wrong then. */
const copyOver = (log: Tampered, from: number, to: number): number => {
  if (from === to) {
    log.putLines(from, log.lines(from).slice(1));
    return from;
  }
  log.write(nameOf(to), log.read(nameOf(from)));
  return Math.min(from, to);
};

const CHANGES_OF_TILES: Readonly<Record<string, Change>> = {
  'a byte of a tile': (log, random) => {
    const tile = random.below(FULL_TILES.length);
    const bytes = log.read(FULL_TILES[tile]!);
    bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    log.write(FULL_TILES[tile]!, bytes);
    return rangeOf(tile);
  },
  'a tile cut, lengthened or gone': (log, random) => {
    const tile = random.below(FULL_TILES.length);
    const name = FULL_TILES[tile]!;
    const bytes = log.read(name);
    const way = random.below(3);
    if (way === 0) log.remove(name);
    else if (way === 1) log.write(name, bytes.subarray(0, random.below(bytes.length)));
    else log.write(name, Buffer.concat([bytes, bytes.subarray(0, 1 + random.below(64))]));
    return rangeOf(tile);
  },
  'tiles swapped': (log) => {
    const [one, other] = FULL_TILES as [string, string];
    const bytes = log.read(one);
    log.write(one, log.read(other));
    log.write(other, bytes);
    return rangeOf(0);
  },
  'an entry and its tile': (log, random) => {
    const seq = random.between(1, 2 * TILE_WIDTH);
    const line = otherRecord(seq, random);
    editLine(log, seq, () => line);
    const tile = Math.floor((seq - 1) / TILE_WIDTH);
    const bytes = log.read(FULL_TILES[tile]!);
    bytes.set(leafHash(Buffer.from(line)), ((seq - 1) % TILE_WIDTH) * HASH_BYTES);
    log.write(FULL_TILES[tile]!, bytes);
    return rangeOf(tile);
  },
  'a tile at the edge': (log, random) => {
    const name = random.pick(EDGE_TILES);
    const bytes = log.read(name);
    const way = random.below(3);
    if (way === 0) log.remove(name);
    else if (way === 1) log.write(name, bytes.subarray(0, random.below(bytes.length)));
    else {
      bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
      log.write(name, bytes);
    }
    return { code: 'tile', first: 1, last: ENTRIES };
  },
  'an entry and all tiles': (log, random, signer) => {
    const seq = anyEntry(random);
    const lines = LINES.with(seq - 1, otherRecord(seq, random));
    log.replace(segmentFiles(lines));
    const { files } = sealFiles(lines.slice(0, ENTRIES), signer);
    for (const [name, bytes] of files) if (name !== CHECKPOINT_FILE) log.write(name, bytes);
    return { code: 'tile', first: 1, last: ENTRIES };
  },
  'all rolled back, without the checkpoint': (log, random, signer) => {
    const left = random.between(1, ENTRIES - 1);
    const checkpoint = log.read(CHECKPOINT_FILE);
    log.replace(segmentFiles(LINES.slice(0, left)));
    log.replace(sealFiles(LINES.slice(0, left), signer).files);
    log.write(CHECKPOINT_FILE, checkpoint);
    return { code: 'tile', first: 1, last: ENTRIES };
  },
};

const CHANGES_OF_CHECKPOINTS: Readonly<Record<string, Change>> = {
  'bytes of the checkpoint': (log, random) => {
    const bytes = log.read(CHECKPOINT_FILE);
    log.write(CHECKPOINT_FILE, changeBytes(bytes, random.below(bytes.length), random));
    return { code: 'checkpoint' };
  },
  'the checkpoint gone': (log) => {
    log.remove(CHECKPOINT_FILE);
    return { code: 'checkpoint' };
  },
  'the checkpoint of another log': (log, random, signer) => {
    const { files } = sealFiles(LINES.slice(0, random.between(1, ENTRIES)), createSigner('db-1/shrike/ffff0000'));
    log.write(CHECKPOINT_FILE, files.get(CHECKPOINT_FILE)!);
    if (random.chance(0.5)) log.replace(sealFiles(LINES.slice(0, ENTRIES), createSigner(signer.verifier.name)).files);
    return { code: 'checkpoint' };
  },
  'a checkpoint of another key': (log, random) => {
    const seq = anyEntry(random);
    const lines = LINES.with(seq - 1, otherRecord(seq, random));
    log.replace(segmentFiles(lines));
    log.replace(sealFiles(lines.slice(0, ENTRIES), createSigner(ORIGIN)).files);
    return { code: 'checkpoint' };
  },
  'a checkpoint of another root': (log, random, signer) => {
    const root = Uint8Array.from({ length: HASH_BYTES }, () => random.below(256));
    log.write(CHECKPOINT_FILE, Buffer.from(signCheckpoint({ size: ENTRIES, root }, signer)));
    return { code: 'tile', first: 1, last: ENTRIES };
  },
};

/** Changes that verifying a log finds by itself. */
export const CHANGES: Readonly<Record<string, Change>> = {
  ...CHANGES_OF_LINES,
  ...CHANGES_OF_SEGMENTS,
  ...CHANGES_OF_TILES,
  ...CHANGES_OF_CHECKPOINTS,
};

/** Changes that the log's own key has signed: only who has seen the log before can tell. `seen` are the sizes at which that was. */
export type SignedChange = (log: Tampered, random: Random, signer: Signer, seen: readonly number[]) => Expected;

/** The range that an entry is in of what was seen: behind the last checkpoint before it. */
const forkedAt = (seq: number, seen: readonly number[]): Expected => ({
  code: 'forked',
  first: (seen.findLast((size) => size < seq) ?? 0) + 1,
  last: seen.find((size) => size >= seq)!,
});
const shrunkTo = (size: number, seen: readonly number[]): Expected => ({
  code: 'shrunk',
  first: size + 1,
  last: seen.find((each) => each > size)!,
});

const sealAgain = (log: Tampered, lines: readonly string[], signer: Signer, signed = lines.length): void => {
  log.replace(segmentFiles(lines));
  log.replace(sealFiles(lines.slice(0, signed), signer).files);
};

const renumbered = (line: string, seq: number): string => {
  const decoded = decodeLine(Buffer.from(line));
  if (!decoded.ok) throw new Error(decoded.problem);
  return lineOf({ ...decoded.entry, seq });
};

/** Lines without some of them, numbered anew. */
const without = (first: number, entries: number): readonly string[] =>
  LINES.toSpliced(first - 1, entries).map((line, index) => renumbered(line, index + 1));

export const SIGNED_CHANGES: Readonly<Record<string, SignedChange>> = {
  'an entry rewritten': (log, random, signer, seen) => {
    const seq = random.between(1, seen.at(-1)!);
    sealAgain(log, LINES.with(seq - 1, otherRecord(seq, random)), signer, ENTRIES);
    return forkedAt(seq, seen);
  },
  'entries taken out, the rest numbered anew': (log, random, signer, seen) => {
    const seq = random.between(1, seen.at(-1)!);
    const lines = without(seq, random.between(1, 5));
    sealAgain(log, lines, signer);
    return seen.find((size) => size >= seq)! > lines.length ? shrunkTo(lines.length, seen) : forkedAt(seq, seen);
  },
  'an entry put in, the rest numbered anew': (log, random, signer, seen) => {
    const seq = random.between(1, seen.at(-1)!);
    const lines = [...LINES.slice(0, seq - 1), lineOf({ seq, body: { rule: 'planted' } }), ...LINES.slice(seq - 1)];
    sealAgain(
      log,
      lines.map((line, index) => (index < seq ? line : renumbered(line, index + 1))),
      signer,
    );
    return forkedAt(seq, seen);
  },
  'the end cut off': (log, random, signer, seen) => {
    const left = random.between(1, seen.at(-1)! - 1);
    sealAgain(log, LINES.slice(0, left), signer);
    return shrunkTo(left, seen);
  },
  'an older state put back': (log, random, signer, seen) => {
    const left = random.between(1, seen.at(-1)! - 1);
    log.replace(segmentFiles(LINES.slice(0, left)));
    log.replace(sealFiles(LINES.slice(0, left), signer).files);
    return shrunkTo(left, seen);
  },
  'an older checkpoint put back': (log, random, signer, seen) => {
    const left = random.between(1, seen.at(-1)! - 1);
    const present = log.names();
    const isFull = (name: string): boolean => present.includes(name.replace(/\.p\/\d+$/, ''));
    for (const [name, bytes] of sealFiles(LINES.slice(0, left), signer).files)
      if (!isFull(name) || name === CHECKPOINT_FILE) log.write(name, bytes);
    return shrunkTo(left, seen);
  },
  'cut off, and grown differently': (log, random, signer, seen) => {
    const left = random.between(1, seen.at(-1)! - 1);
    const more = random.between(1, 2 * ENTRIES - left);
    const grown = Array.from({ length: more }, (_, index) =>
      lineOf({ seq: left + 1 + index, body: { rule: 'another history' } }),
    );
    sealAgain(log, [...LINES.slice(0, left), ...grown], signer);
    const until = seen.find((size) => size > left)!;
    return until > left + more ? shrunkTo(left + more, seen) : forkedAt(left + 1, seen);
  },
  'a new log in its place': (log, random, signer, seen) => {
    const entries = random.between(seen.at(-1)!, ENTRIES);
    const lines = Array.from({ length: entries }, (_, index) => lineOf({ seq: index + 1, body: { rule: 'new' } }));
    sealAgain(log, lines, signer);
    return { code: 'forked', first: 1, last: seen[0]! };
  },
};

/** What happens to a log that nobody has changed. */
export const GOOD: Readonly<Record<string, SignedChange>> = {
  'it grows': (log, random, signer, seen) => {
    const size = random.between(seen.at(-1)!, ENTRIES + UNSIGNED);
    log.replace(sealFiles(LINES.slice(0, size), signer).files);
    return 'nothing';
  },
  'lines come that are not signed yet': (log, random) => {
    const from = ENTRIES + UNSIGNED + 1;
    const more = Array.from({ length: random.between(1, 9) }, (_, index) => lineOf({ seq: from + index, body: {} }));
    log.putLines(LAST, [...log.lines(LAST), ...more]);
    return 'nothing';
  },
  'the last line is being written': (log, random) => {
    const torn = lineOf({ seq: ENTRIES + UNSIGNED + 1, body: {} });
    log.write(
      nameOf(LAST),
      Buffer.concat([log.read(nameOf(LAST)), Buffer.from(torn.slice(0, random.between(1, torn.length - 1)))]),
    );
    return 'nothing';
  },
  'retention removes a segment, and its record is signed': (log) => {
    log.remove(nameOf(1));
    return 'nothing';
  },
};
