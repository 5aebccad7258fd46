import type { JetStreamManager, NatsConnection } from 'nats';
import { natsClient } from './client.ts';
import { ALL_ALERTS, hostSubject } from './subject.ts';

export const STREAM = 'SHRIKE_ALERTS';
const MAX_AGE_MS = 7 * 24 * 3600 * 1000;
const API_TIMEOUT_MS = 5_000;

/** The header with the sequence number of the host's alert before; 0 for its first, left out where it isn't known. */
export const PREVIOUS_HEADER = 'Shrike-Previous';
export const MESSAGE_ID_HEADER = 'Nats-Msg-Id';

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

/** A server's stream of alerts. */
export interface AlertStream {
  readonly name: string;
  readonly manager: JetStreamManager;
}

/** Answers that mean: no JetStream for this user, also not in a moment. */
const hasNoJetStream = (code: string): boolean => {
  const { NoResponders, JetStreamNotEnabled, PermissionsViolation } = natsClient().ErrorCode;
  return [NoResponders, JetStreamNotEnabled, PermissionsViolation].some((known) => known === code);
};
const NO_STREAM_MATCHES = 'no stream matches subject';
const NO_MESSAGE_FOUND = 10037;

const managerOf = async (connection: NatsConnection): Promise<JetStreamManager | undefined> => {
  try {
    return await connection.jetstreamManager({ timeout: API_TIMEOUT_MS });
  } catch (error) {
    if (error instanceof natsClient().NatsError && hasNoJetStream(error.code)) return undefined;
    throw error;
  }
};

const find = async (manager: JetStreamManager): Promise<AlertStream | undefined> => {
  try {
    return { name: await manager.streams.find(ALL_ALERTS), manager };
  } catch (error) {
    if (error instanceof Error && error.message === NO_STREAM_MATCHES) return undefined;
    throw error;
  }
};

/** The stream that takes alerts, undefined where there is none or the server has no JetStream. */
export const findStream = async (connection: NatsConnection): Promise<AlertStream | undefined> => {
  const manager = await managerOf(connection);
  return manager === undefined ? undefined : find(manager);
};

/** The stream that takes alerts, made where there is none: on file, for 7 days. Undefined where the server has no JetStream. */
export const ensureStream = async (connection: NatsConnection): Promise<AlertStream | undefined> => {
  const manager = await managerOf(connection);
  if (manager === undefined) return undefined;
  const found = await find(manager);
  if (found !== undefined) return found;
  const { nanos, RetentionPolicy, StorageType } = natsClient();
  await manager.streams.add({
    name: STREAM,
    subjects: [ALL_ALERTS],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    max_age: nanos(MAX_AGE_MS),
  });
  return { name: STREAM, manager };
};

/** The message id of the last alert of a host that a stream holds. */
export const lastMessageId = async ({ name, manager }: AlertStream, host: string): Promise<string | undefined> => {
  try {
    const message = await manager.streams.getMessage(name, { last_by_subj: hostSubject(host) });
    return message.header.get(MESSAGE_ID_HEADER) || undefined;
  } catch (error) {
    if (error instanceof natsClient().NatsError && error.api_error?.err_code === NO_MESSAGE_FOUND) return undefined;
    throw error;
  }
};
