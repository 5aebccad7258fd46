import { parseAddress } from '../../../rules/index.ts';
import { decodeText } from './kernel-object.ts';

/** Addresses in their text form, by domain name in lower case without a dot at its end. */
export type DomainNames = Map<string, string[]>;

const HEADER_BYTES = 12;
/** Types of records by the bytes an address takes: A and AAAA. */
const TYPE_OF: ReadonlyMap<number, number> = new Map([
  [4, 1],
  [16, 28],
]);
const CLASS_IN = 1;
/** How long an answer holds, in seconds. */
const TTL = 60;
/** QR, RD and RA of the header's flags, and response codes (RFC 1035, section 4.1.1). */
const RESPONSE = 0x8180;
const QUERY = 0x8000;
const NAME_ERROR = 3;
/** The question's name, as answers point to it (section 4.1.4). */
const QUESTION_NAME = [0xc0, HEADER_BYTES];

interface Question {
  readonly name: string;
  readonly type: number;
  /** Where it ends in the message. */
  readonly end: number;
}

/** The one question of a message; undefined for what is none. */
const questionOf = (message: Uint8Array): Question | undefined => {
  if (message.length < HEADER_BYTES) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  if ((view.getUint16(2) & QUERY) !== 0 || view.getUint16(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = message[at]; length !== 0; length = message[at]) {
    if (length === undefined || length > 63) return undefined;
    labels.push(decodeText(message.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  if (at + 5 > message.length || view.getUint16(at + 3) !== CLASS_IN) return undefined;
  return { name: labels.join('.').toLowerCase(), type: view.getUint16(at + 1), end: at + 5 };
};

/** What a resolver that knows these names answers to a message (RFC 1035, section 4); undefined where it is no query. */
export const answerQuery = (message: Uint8Array, names: DomainNames): Uint8Array<ArrayBuffer> | undefined => {
  const question = questionOf(message);
  if (!question) return undefined;
  const known = names.get(question.name);
  const records = (known ?? [])
    .map((address) => parseAddress(address))
    .filter((bytes) => bytes !== undefined && TYPE_OF.get(bytes.length) === question.type)
    .map((bytes) => {
      const data = bytes ?? new Uint8Array(0);
      const head = new DataView(new ArrayBuffer(10));
      head.setUint16(0, question.type);
      head.setUint16(2, CLASS_IN);
      head.setUint32(4, TTL);
      head.setUint16(8, data.length);
      return [...QUESTION_NAME, ...new Uint8Array(head.buffer), ...data];
    });
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  header.setUint16(0, ((message[0] ?? 0) << 8) | (message[1] ?? 0));
  header.setUint16(2, RESPONSE | (known ? 0 : NAME_ERROR));
  header.setUint16(4, 1);
  header.setUint16(6, records.length);
  return Uint8Array.from([
    ...new Uint8Array(header.buffer),
    ...message.subarray(HEADER_BYTES, question.end),
    ...records.flat(),
  ]);
};
