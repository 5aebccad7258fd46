import { alertJson } from '../alert-json.ts';
import { crc32c } from './crc32c.ts';

export const AUDIT_KINDS = ['alert', 'enforcement', 'policy', 'start', 'stop', 'shed', 'loss'] as const;
export type AuditKind = (typeof AUDIT_KINDS)[number];

/** What a line of the audit log says. */
export interface AuditRecord {
  readonly v: 1;
  /** From 1, without gaps. */
  readonly seq: number;
  /** ISO 8601 with nanoseconds, UTC. */
  readonly time: string;
  readonly kind: AuditKind;
  readonly body: unknown;
}

/** A record as it stands in the log. */
export interface AuditEntry extends AuditRecord {
  /** The body's JSON as written. */
  readonly bodyText: string;
  /** Checksum of the line's bytes before `,"crc32c"`: 8 lower-case hex digits. */
  readonly crc32c: string;
}

/** A line taken apart, or what is wrong with it and at which byte (from 0). */
export type DecodedLine =
  | { readonly ok: true; readonly entry: AuditEntry }
  | { readonly ok: false; readonly byte: number; readonly problem: string };

/*
 * {"v":1,"seq":7,"time":"2026-01-02T03:04:05.678900000Z","kind":"alert","body":{...},"crc32c":"01234567"}
 * |<---------------------------- covered by the checksum ----------------------->|<----- trailer ------>|
 */
const TRAILER_LENGTH = ',"crc32c":"01234567"}'.length;
const TRAILER = /^,"crc32c":"([0-9a-f]{8})"\}$/;
const HEADER =
  /^\{"v":1,"seq":([1-9][0-9]{0,15}),"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z)","kind":"([a-z]+)","body":/;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

const hex = (checksum: number): string => checksum.toString(16).padStart(8, '0');

const HEX = encoder.encode('0123456789abcdef');
const NEWLINE = 0x0a;
/** Bytes that a UTF-16 unit takes in UTF-8 at most. */
const MOST_UTF8 = 3;

/** A line that was written. */
export interface WrittenLine {
  /** Without its newline, which is behind it in memory. */
  readonly bytes: Uint8Array;
  readonly bodyText: string;
  /** Checksum of its bytes before the trailer. */
  readonly checksum: number;
}

/** Where lines are written one behind the other. */
export interface LineSpace {
  /** Writes a record's line and its newline. Fails on a body that JSON can't hold. */
  write(record: AuditRecord): WrittenLine;
}

/** @param size bytes that are taken at once */
export const createLineSpace = (size: number): LineSpace => {
  let space = new Uint8Array(0);
  let at = 0;
  return {
    write: ({ v, seq, time, kind, body }) => {
      const bodyText = alertJson(body) ?? JSON.stringify(body);
      if (bodyText === undefined) throw new Error(`an audit record's body must be JSON, not ${typeof body}`);
      const text = `{"v":${v},"seq":${seq},"time":"${time}","kind":"${kind}","body":${bodyText},"crc32c":"00000000"}`;
      const most = MOST_UTF8 * text.length + 1;
      if (space.length - at < most) {
        space = new Uint8Array(Math.max(size, most));
        at = 0;
      }
      const from = at;
      const end = from + encoder.encodeInto(text, space.subarray(from)).written;
      const checksum = crc32c(space, from, end - TRAILER_LENGTH);
      for (let digit = 0, to = end - '"}'.length - 1; digit < 8; digit++, to--)
        space[to] = HEX[(checksum >>> (4 * digit)) & 15]!;
      space[end] = NEWLINE;
      at = end + 1;
      return { bytes: space.subarray(from, end), bodyText, checksum };
    },
  };
};

/** A record as it stands in the log once its line is written. */
export const entryOf = (
  { v, seq, time, kind, body }: AuditRecord,
  { bodyText, checksum }: WrittenLine,
): AuditEntry => ({
  v,
  seq,
  time,
  kind,
  body,
  bodyText,
  crc32c: hex(checksum),
});

const wrong = (byte: number, problem: string): DecodedLine => ({ ok: false, byte, problem });

/** Takes a line apart (without its newline) and checks its checksum and layout. */
export const decodeLine = (bytes: Uint8Array): DecodedLine => {
  const trailerAt = Math.max(0, bytes.length - TRAILER_LENGTH);
  const trailer = TRAILER.exec(String.fromCharCode(...bytes.subarray(trailerAt)));
  if (trailer === null) return wrong(trailerAt, 'expected ,"crc32c":"<8 hex digits>"} at the end of the line');
  const covered = bytes.subarray(0, trailerAt);
  const checksum = hex(crc32c(covered));
  const written = trailer[1]!;
  if (checksum !== written) {
    return wrong(trailerAt, `the checksum is ${written}, but the line's bytes give ${checksum}`);
  }
  const text = decodeText(covered);
  if (text === undefined) return wrong(0, 'the line is not UTF-8');
  const header = HEADER.exec(text);
  if (header === null)
    return wrong(0, 'expected {"v":1,"seq":<number>,"time":"<ISO 8601, nanoseconds>","kind":"<kind>"');
  const kind = AUDIT_KINDS.find((name) => name === header[3]);
  if (kind === undefined) return wrong(0, `the kind ${header[3]} is unknown; there are ${AUDIT_KINDS.join(', ')}`);
  const bodyText = text.slice(header[0].length);
  const seq = Number(header[1]);
  try {
    const body: unknown = JSON.parse(bodyText);
    return { ok: true, entry: { v: 1, seq, time: header[2]!, kind, body, bodyText, crc32c: written } };
  } catch (error) {
    return wrong(header[0].length, `the body is not JSON: ${(error as Error).message}`);
  }
};

/** Bytes within which a line says its number, time and kind. */
const HEADER_BYTES = 128;

/** Milliseconds since 1970 of a record's time. */
export const millisecondsOf = (time: string): number => Date.parse(`${time.slice(0, 23)}Z`);

/** What the beginning of a line says. */
export interface LineHeader {
  readonly seq: number;
  readonly time: string;
  readonly kind: string;
}

/** The beginning of a line, unchecked; undefined where it is no line's. */
export const headerOf = (bytes: Uint8Array): LineHeader | undefined => {
  const header = HEADER.exec(String.fromCharCode(...bytes.subarray(0, HEADER_BYTES)));
  return header === null ? undefined : { seq: Number(header[1]), time: header[2]!, kind: header[3]! };
};

const decodeText = (bytes: Uint8Array): string | undefined => {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
};
