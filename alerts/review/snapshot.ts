import {
  appendFileSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { decodeLine, headerOf } from '../audit/line.ts';
import { type Segment, segmentsOf } from '../audit/segment.ts';

const NEWLINE = 0x0a;
const CHUNK_BYTES = 1 << 16;

/** Entries that a log does not have between two that it has. */
export interface Gap {
  readonly first: number;
  readonly last: number;
}

/** A log's files as they were at one moment, under names that are plain and with whole lines only. */
export interface Snapshot {
  /** In a private temporary folder: links to segments that are closed, and a copy of the open one. */
  readonly files: readonly string[];
  readonly folder: string;
  /** The number of the entry that the log begins with, whether it is there or not. */
  readonly start: number;
  /** The number of the first entry, and of the last; 0 where there is none. */
  readonly first: number;
  readonly last: number;
  readonly gaps: readonly Gap[];
  /** A line at the log's end that is not whole: a crash tore it, or it is being written. */
  readonly torn?: { readonly path: string; readonly bytes: number };
  /** A text about the snapshot's files, as one about the log's. */
  translate(text: string): string;
  /** Whether all its segments are still there: retention removes old ones. */
  isThere(): boolean;
  close(): void;
}

/** The segments of a log's folder. @throws Error a sentence, where there are none or one is no file */
export const logSegments = (folder: string): readonly Segment[] => {
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT'
        ? 'there is no such folder'
        : code === 'ENOTDIR'
          ? 'not a folder'
          : `it can't be read (${code})`;
    throw new Error(`${folder}: ${why}; give the folder of an audit log, which "shrike run" prints at its end`);
  }
  const segments = segmentsOf(folder, names);
  if (segments.length === 0)
    throw new Error(
      `${folder}: no audit log is there, which would have files named audit-000001.jsonl; give the folder that "shrike run" prints at its end`,
    );
  for (const { path } of segments)
    if (!lstatSync(path).isFile()) throw new Error(`${path}: not a file; a segment of an audit log is one`);
  return segments;
};

/** What a file ends with: the bytes behind its last newline, and the last whole line. */
const endOf = (path: string): { readonly size: number; readonly tail: Uint8Array; readonly lastLine: Uint8Array } => {
  const fd = openSync(path, 'r');
  try {
    let size = lstatSync(path).size;
    let bytes = new Uint8Array(0);
    for (;;) {
      const from = Math.max(0, size - bytes.length - CHUNK_BYTES - bytes.length);
      const wanted = new Uint8Array(size - from);
      const read = readSync(fd, wanted, 0, wanted.length, from);
      if (read < wanted.length) size = from + read;
      bytes = wanted.subarray(0, read);
      const last = bytes.lastIndexOf(NEWLINE);
      const before = last < 0 ? -1 : bytes.lastIndexOf(NEWLINE, last - 1);
      if (from === 0 || (before >= 0 && last > 0))
        return { size, tail: bytes.subarray(last + 1), lastLine: bytes.subarray(before + 1, Math.max(0, last)) };
    }
  } finally {
    closeSync(fd);
  }
};

const COPY_BYTES = 1 << 20;

/** Copies the first `length` bytes of a file into a new one that only its owner may read. */
const copyBeginning = (from: string, to: string, length: number): void => {
  const source = openSync(from, 'r');
  const target = openSync(to, 'wx', 0o600);
  try {
    const buffer = new Uint8Array(COPY_BYTES);
    for (let at = 0; at < length; ) {
      const read = readSync(source, buffer, 0, Math.min(COPY_BYTES, length - at), at);
      if (read === 0) return;
      writeSync(target, buffer, 0, read);
      at += read;
    }
  } finally {
    closeSync(source);
    closeSync(target);
  }
};

/** Takes a log's files as they are now; nothing in the log's folder is changed. @throws Error a sentence, where there is no log or no room for the copy */
export const takeSnapshot = (folder: string): Snapshot => {
  const segments = logSegments(folder);
  const ends = segments.map(({ path }) => endOf(path));
  const gaps: Gap[] = [];
  let expected = segments[0]?.firstSeq ?? 1;
  for (const [index, { firstSeq }] of segments.entries()) {
    if (firstSeq > expected) gaps.push({ first: expected, last: firstSeq - 1 });
    expected = (headerOf(ends[index]?.lastLine ?? new Uint8Array(0))?.seq ?? firstSeq - 1) + 1;
  }
  const temporary = mkdtempSync(join(tmpdir(), 'shrike-query-'));
  const close = (): void => rmSync(temporary, { recursive: true, force: true });
  try {
    const files = segments.map(({ name }) => join(temporary, name));
    for (const { name, path } of segments.slice(0, -1)) symlinkSync(resolve(path), join(temporary, name));
    const open = segments.at(-1);
    const end = ends.at(-1);
    let torn: Snapshot['torn'];
    if (open !== undefined && end !== undefined) {
      const copy = join(temporary, open.name);
      copyBeginning(open.path, copy, end.size - end.tail.length);
      const kept = decodeLine(end.tail);
      if (kept.ok) {
        appendFileSync(copy, end.tail);
        expected = kept.entry.seq + 1;
      } else if (end.tail.length > 0) torn = { path: open.path, bytes: end.tail.length };
    }
    return {
      files,
      folder,
      start: segments[0]?.firstSeq ?? 1,
      first: expected > (segments[0]?.firstSeq ?? 1) ? (segments[0]?.firstSeq ?? 0) : 0,
      last: expected - 1,
      gaps,
      ...(torn && { torn }),
      isThere: () => segments.every(({ path }) => existsSync(path)),
      translate: (text) => text.replaceAll(temporary, folder),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
};
