import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type AuditKind, createLineSpace } from '../../../alerts/audit/line.ts';
import { CHECKPOINT_FILE } from '../../../alerts/audit/seal.ts';
import { type Checkpoint, signCheckpoint } from '../../../alerts/transparency/checkpoint.ts';
import { createEdge } from '../../../alerts/transparency/edge.ts';
import { leafHash } from '../../../alerts/transparency/hash.ts';
import type { Signer } from '../../../alerts/transparency/key.ts';
import { tilePath } from '../../../alerts/transparency/tile.ts';

export const ORIGIN = 'web-1/shrike/0123abcd';
export const SEGMENT_ENTRIES = 150;
/** Entries that the checkpoint signs. */
export const ENTRIES = 600;
/** Entries behind the checkpoint. */
export const UNSIGNED = 7;
/** The entry that says that retention removed the first segment. */
export const REMOVAL = 590;
/** The entries that segments begin with. */
export const FIRSTS = Array.from({ length: ENTRIES / SEGMENT_ENTRIES }, (_, index) => 1 + index * SEGMENT_ENTRIES);

export const nameOf = (first: number): string => `audit-${String(first).padStart(6, '0')}.jsonl`;
export const segmentStartOf = (seq: number): number => FIRSTS.findLast((each) => each <= seq)!;

const timeOf = (seq: number): string => `2026-01-02T03:04:05.${String(seq).padStart(9, '0')}Z`;

/** What an entry's line says; without its newline. */
export interface Said {
  readonly seq: number;
  readonly time?: string;
  readonly kind?: AuditKind;
  readonly body: unknown;
}
const space = createLineSpace(1 << 16);
export const lineOf = ({ seq, time = timeOf(seq), kind = 'alert', body }: Said): string =>
  Buffer.from(space.write({ v: 1, seq, time, kind, body }).bytes).toString();

/** Lines as an agent writes them. */
export const linesOf = (entries = ENTRIES + UNSIGNED): readonly string[] =>
  Array.from({ length: entries }, (_, index) => {
    const seq = index + 1;
    if (seq === REMOVAL) {
      const body = { reason: 'age', segment: nameOf(1), from: 1, to: SEGMENT_ENTRIES, entries: SEGMENT_ENTRIES };
      return lineOf({ seq, kind: 'shed', body });
    }
    return lineOf({ seq, body: { rule: `rule ${seq % 7}`, output: 'x'.repeat(seq % 40) } });
  });

/** A log's files by their names. */
export type Files = ReadonlyMap<string, Buffer>;

const textOf = (lines: readonly string[]): Buffer => Buffer.from(lines.map((line) => `${line}\n`).join(''));

/** The segments of a log with such lines. */
export const segmentFiles = (lines: readonly string[]): Files =>
  new Map(
    FIRSTS.filter((first) => first <= lines.length).map((first) => {
      const end = first === FIRSTS.at(-1) ? lines.length : first - 1 + SEGMENT_ENTRIES;
      return [nameOf(first), textOf(lines.slice(first - 1, end))];
    }),
  );

/** A log as it is sealed: its tiles and its checkpoint. */
export interface SealedFiles {
  readonly files: Files;
  readonly checkpoint: Checkpoint;
}

export const sealFiles = (lines: readonly string[], signer: Signer): SealedFiles => {
  const edge = createEdge(0, () => new Uint8Array(0));
  for (const line of lines) edge.add(leafHash(Buffer.from(line)));
  const checkpoint = { origin: signer.verifier.name, size: edge.size, root: edge.root() };
  const files = new Map(edge.takeTiles().map((tile) => [tilePath(tile), Buffer.from(tile.hashes)]));
  files.set(CHECKPOINT_FILE, Buffer.from(signCheckpoint(checkpoint, signer)));
  return { files, checkpoint };
};

/** A log on disk that is changed, and then as it was again. */
export interface Tampered {
  readonly folder: string;
  names(): readonly string[];
  read(name: string): Buffer;
  write(name: string, bytes: Uint8Array): void;
  remove(name: string): void;
  rename(from: string, to: string): void;
  /** The lines of the segment that begins with an entry. */
  lines(first: number): string[];
  putLines(first: number, lines: readonly string[]): void;
  /** Puts such files in the place of all that are of the same sort: tiles with a checkpoint, or segments. */
  replace(files: Files): void;
  restore(): void;
}

export const createTampered = (folder: string, whole: Files): Tampered => {
  const touched = new Set<string>();
  const put = (name: string, bytes: Uint8Array): void => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  };
  for (const [name, bytes] of whole) put(name, bytes);
  const isSegment = (name: string): boolean => name.endsWith('.jsonl');
  const log: Tampered = {
    folder,
    names: () =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
        .sort(),
    read: (name) => readFileSync(join(folder, name)),
    write: (name, bytes) => {
      touched.add(name);
      put(name, bytes);
    },
    remove: (name) => {
      touched.add(name);
      rmSync(join(folder, name));
    },
    rename: (from, to) => {
      touched.add(from).add(to);
      renameSync(join(folder, from), join(folder, to));
    },
    lines: (first) => log.read(nameOf(first)).toString().split('\n').slice(0, -1),
    putLines: (first, lines) => log.write(nameOf(first), textOf(lines)),
    replace: (files) => {
      const areSegments = [...files.keys()].every(isSegment);
      for (const name of log.names()) if (isSegment(name) === areSegments && !files.has(name)) log.remove(name);
      for (const [name, bytes] of files) log.write(name, bytes);
    },
    restore: () => {
      for (const name of touched) {
        const bytes = whole.get(name);
        if (bytes === undefined) rmSync(join(folder, name), { force: true });
        else put(name, bytes);
      }
      touched.clear();
    },
  };
  return log;
};
