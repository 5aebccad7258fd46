import type { NatsConnection } from 'nats';
import { z } from 'zod';
import { API_TIMEOUT_MS, askJetStream, isError, JETSTREAM_ERRORS, type JetStreamError } from './api.ts';
import { natsClient } from './client.ts';
import { ALL_ALERTS, hostSubject } from './subject.ts';

export const STREAM = 'SHRIKE_ALERTS';
const MAX_AGE_MS = 7 * 24 * 3600 * 1000;
const DUPLICATE_WINDOW_MS = 120_000;
/** Of a stream that is made in a cluster. */
const REPLICAS = 3;

/** The header with the sequence number of the host's alert before; 0 for its first, left out where it isn't known. */
export const PREVIOUS_HEADER = 'Shrike-Previous';
export const MESSAGE_ID_HEADER = 'Nats-Msg-Id';
/** The server stores a message with it only directly behind the message of this id. */
export const BEHIND_HEADER = 'Nats-Expected-Last-Msg-Id';

/** Which alert of which log a message is: the alert's id and the checksum of its line in the audit log. */
export const messageId = (alertId: string, crc32c: string): string => `${encodeURIComponent(alertId)}-${crc32c}`;

/** The sequence number and checksum in a message id of this host; undefined for another's. */
export const parseMessageId = (
  id: string,
  host: string,
): { readonly seq: number; readonly crc32c: string } | undefined => {
  const prefix = `${encodeURIComponent(host)}-`;
  const match = id.startsWith(prefix) ? /^(\d+)-([0-9a-f]{8})$/.exec(id.slice(prefix.length)) : null;
  return match === null ? undefined : { seq: Number(match[1]), crc32c: match[2]! };
};

const INFO = z.object({
  created: z.string(),
  config: z.object({
    name: z.string(),
    num_replicas: z.number().default(1),
    max_msg_size: z.number().default(-1),
    allow_direct: z.boolean().default(false),
    no_ack: z.boolean().default(false),
    sealed: z.boolean().default(false),
  }),
  state: z.object({ first_seq: z.number(), last_seq: z.number(), deleted: z.array(z.number()).nullish() }),
  cluster: z
    .object({
      replicas: z
        .array(z.object({ current: z.boolean(), offline: z.boolean().default(false), lag: z.number().default(0) }))
        .nullish(),
    })
    .optional(),
});

/** A server's stream of alerts, as its leader describes it. */
export interface AlertStream {
  readonly name: string;
  /** When it was made: another stream of the same name has another time. */
  readonly created: string;
  /** Sequence numbers of the stream; where it is empty the first is the one that comes next. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly replicas: number;
  /** Every replica that is online has what the leader has. */
  readonly isLevel: boolean;
  /** Bytes of a message with its headers; undefined: as many as the server takes. */
  readonly maxMessageBytes: number | undefined;
  /** Why it can't be published to; undefined where it can. */
  readonly problem: string | undefined;
  readonly allowsDirect: boolean;
  /** Numbers between the first and the last that were deleted; only where they were asked for. */
  readonly deleted: readonly number[];
}

const toStream = ({ created, config, state, cluster }: z.infer<typeof INFO>): AlertStream => ({
  name: config.name,
  created,
  firstSeq: state.first_seq,
  lastSeq: state.last_seq,
  replicas: config.num_replicas,
  isLevel: (cluster?.replicas ?? []).every(({ current, offline, lag }) => offline || (current && lag === 0)),
  maxMessageBytes: config.max_msg_size > 0 ? config.max_msg_size : undefined,
  problem: config.no_ack
    ? `the stream ${config.name} acknowledges nothing (no_ack), so nothing says what it has; make it without that`
    : config.sealed
      ? `the stream ${config.name} is sealed and takes nothing more; make another for ${ALL_ALERTS}`
      : undefined,
  allowsDirect: config.allow_direct,
  deleted: state.deleted ?? [],
});

/** Reads how a stream stands, with what was deleted from its middle where that is asked for. */
export const readStream = async (
  connection: NatsConnection,
  name: string,
  { deleted = false } = {},
): Promise<AlertStream | JetStreamError> => {
  const answer = await askJetStream(connection, `STREAM.INFO.${name}`, deleted ? { deleted_details: true } : undefined);
  return isError(answer) ? answer : toStream(INFO.parse(answer));
};

const NAMES = z.object({ streams: z.array(z.string()).nullish() });

/** The name of the stream that takes alerts where it isn't ours; undefined also where this user may not ask. */
const otherStream = async (connection: NatsConnection): Promise<string | undefined> => {
  const answer = await askJetStream(connection, 'STREAM.NAMES', { subject: ALL_ALERTS }).catch(() => undefined);
  const names = NAMES.safeParse(answer);
  return names.success ? names.data.streams?.[0] : undefined;
};

const makeStream = async (connection: NatsConnection, replicas: number): Promise<AlertStream | JetStreamError> => {
  const { nanos, RetentionPolicy, StorageType } = natsClient();
  const answer = await askJetStream(connection, `STREAM.CREATE.${STREAM}`, {
    name: STREAM,
    subjects: [ALL_ALERTS],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: 'old',
    max_age: nanos(MAX_AGE_MS),
    duplicate_window: nanos(DUPLICATE_WINDOW_MS),
    num_replicas: replicas,
    max_consumers: -1,
    max_msgs: -1,
    max_bytes: -1,
    allow_direct: true,
  });
  if (!isError(answer)) return toStream(INFO.parse(answer));
  const { noPeers, notClustered } = JETSTREAM_ERRORS;
  const isTooMany = replicas > 1 && (answer.code === noPeers || answer.code === notClustered);
  return isTooMany ? makeStream(connection, 1) : answer;
};

/** The stream that takes alerts, made where there is none: on file, for 7 days, three times in a cluster. */
export const ensureStream = async (connection: NatsConnection): Promise<AlertStream | JetStreamError> => {
  const own = await readStream(connection, STREAM);
  if (!isError(own) || own.code !== JETSTREAM_ERRORS.noStream) return own;
  const other = await otherStream(connection);
  if (other !== undefined) return readStream(connection, other);
  return makeStream(connection, connection.info?.cluster === undefined ? 1 : REPLICAS);
};

/** A message of a stream: its number there, and its id where it has one. */
export interface StreamMessage {
  readonly streamSeq: number;
  readonly id: string | undefined;
}

const SEQUENCE_HEADER = 'Nats-Sequence';
const NO_MESSAGE = 404;
const MESSAGE = z.object({ message: z.object({ seq: z.number(), hdrs: z.string().optional() }) });

/** The last alert of a host that a stream holds; asked on a subject that permissions can confine to the host, where the stream allows that. */
export const lastMessage = async (
  connection: NatsConnection,
  { name, allowsDirect }: AlertStream,
  host: string,
): Promise<StreamMessage | undefined> => {
  if (!allowsDirect) return lastByRequest(connection, name, host);
  const { headers } = await connection.request(`$JS.API.DIRECT.GET.${name}.${hostSubject(host)}`, '', {
    timeout: API_TIMEOUT_MS,
  });
  if (headers === undefined) throw new Error(`the stream ${name} gave its last alert without headers`);
  if (headers.code === NO_MESSAGE) return undefined;
  if (headers.code >= 300) throw new Error(`the stream ${name} does not give its last alert: ${headers.status}`);
  return { streamSeq: Number(headers.get(SEQUENCE_HEADER)), id: headers.get(MESSAGE_ID_HEADER) || undefined };
};

const lastByRequest = async (
  connection: NatsConnection,
  name: string,
  host: string,
): Promise<StreamMessage | undefined> => {
  const answer = await askJetStream(connection, `STREAM.MSG.GET.${name}`, { last_by_subj: hostSubject(host) });
  if (isError(answer)) {
    if (answer.code === JETSTREAM_ERRORS.noMessage) return undefined;
    throw new Error(`the stream ${name} does not give its last alert: ${answer.text}`);
  }
  const { seq, hdrs = '' } = MESSAGE.parse(answer).message;
  const header = Buffer.from(hdrs, 'base64').toString();
  const id = header.split('\r\n').find((line) => line.startsWith(`${MESSAGE_ID_HEADER}: `));
  return { streamSeq: seq, id: id?.slice(MESSAGE_ID_HEADER.length + 2) };
};
