import type { NatsConnection } from 'nats';
import { z } from 'zod';
import { natsClient } from './client.ts';

export const API_TIMEOUT_MS = 5_000;

/** A new subject for answers, under the prefix that the connection's user may receive on. */
export const inboxOf = (connection: NatsConnection): string =>
  natsClient().createInbox(
    (connection as { readonly options?: { readonly inboxPrefix?: string } }).options?.inboxPrefix,
  );

/** Errors of JetStream by their numbers (server/errors.json of nats-server). */
export const JETSTREAM_ERRORS = {
  noPeers: 10005,
  unavailable: 10008,
  notLeader: 10009,
  noMessage: 10037,
  offForAccount: 10039,
  messageTooLarge: 10054,
  noStream: 10059,
  wrongLastId: 10070,
  notClustered: 10074,
  off: 10076,
} as const;

/** What JetStream answered instead of doing what it was asked for. */
export interface JetStreamError {
  /** One of `JETSTREAM_ERRORS`, or another number. */
  readonly code: number;
  readonly text: string;
}

const ERROR = z.object({
  error: z.object({ code: z.number(), err_code: z.number().optional(), description: z.string().default('no reason') }),
});

/** The error in an answer of JetStream or in an acknowledgement, undefined where there is none. */
export const errorIn = (answer: unknown): JetStreamError | undefined => {
  const parsed = ERROR.safeParse(answer);
  if (!parsed.success) return undefined;
  const { code, err_code, description } = parsed.data.error;
  return { code: err_code ?? code, text: description };
};

export const isError = <T extends object>(answer: T | JetStreamError): answer is JetStreamError =>
  'code' in answer && 'text' in answer;

/** Asks JetStream; throws the client's error where nothing answers, or this user may not ask. */
export const askJetStream = async (
  connection: NatsConnection,
  subject: string,
  body?: unknown,
): Promise<object | JetStreamError> => {
  const payload = body === undefined ? '' : JSON.stringify(body);
  const message = await connection.request(`$JS.API.${subject}`, payload, { timeout: API_TIMEOUT_MS });
  const answer = z.record(z.string(), z.unknown()).parse(message.json());
  return errorIn(answer) ?? answer;
};
