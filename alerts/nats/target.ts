import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from 'nats';
import { isError, JETSTREAM_ERRORS, type JetStreamError } from './api.ts';
import { natsClient } from './client.ts';
import type { Outbox } from './outbox.ts';
import type { Position } from './position.ts';
import { type LastAlert, type Resume, whereToGoOn } from './resume.ts';
import { type AlertStream, ensureStream, lastMessage, parseMessageId, readStream, STREAM } from './stream.ts';
import { hostSubject } from './subject.ts';

/** How long replicas get to become level before the stream is believed to have gone back. */
const LEVEL_MS = 1_000;

/** The stream to publish to, and where to go on in it. */
export interface Target {
  readonly stream: AlertStream;
  readonly resume: Resume;
  readonly last: (LastAlert & { readonly crc32c: string }) | undefined;
}

/** Fails as a sentence: what the publisher reports as it is. */
export const sentence = (text: string): Error => new Error(text, { cause: 'sentence' });

const isOff = ({ code }: JetStreamError): boolean =>
  code === JETSTREAM_ERRORS.off || code === JETSTREAM_ERRORS.offForAccount;

const inWords = ({ code, text }: JetStreamError): string =>
  code === JETSTREAM_ERRORS.unavailable || code === JETSTREAM_ERRORS.notLeader
    ? 'JetStream has no leader there just now; do more than half of the servers of its cluster run?'
    : `JetStream does not make the stream ${STREAM} (${text}); make it by hand, or give JetStream room`;

const mayNotLook = (host: string): string =>
  `this user may not look at the stream ${STREAM}; permit $JS.API.STREAM.INFO.${STREAM}, $JS.API.DIRECT.GET.${STREAM}.${hostSubject(host)} and an inbox`;

/** The stream on a connection; undefined where the server has no JetStream. */
const openStream = async (nats: NatsConnection, host: string): Promise<AlertStream | undefined> => {
  const { ErrorCode, NatsError } = natsClient();
  try {
    const stream = await ensureStream(nats);
    if (!isError(stream)) return stream;
    if (isOff(stream)) return undefined;
    throw sentence(inWords(stream));
  } catch (error) {
    if (!(error instanceof NatsError)) throw error;
    if (error.code === ErrorCode.NoResponders) return undefined;
    if (error.code === ErrorCode.Timeout)
      throw sentence('the server does not answer what JetStream is asked; is it overloaded, or without a leader?');
    if (error.code !== ErrorCode.PermissionsViolation) throw error;
    const isMaking = error.permissionContext?.subject.includes('STREAM.CREATE') === true;
    throw sentence(
      isMaking
        ? `there is no stream ${STREAM} and this user may not make it; let an administrator make it, or permit $JS.API.STREAM.CREATE.${STREAM}`
        : mayNotLook(host),
    );
  }
};

/** What a publisher needs to know in order to find where to go on. */
export interface Seeker {
  readonly nats: NatsConnection;
  readonly host: string;
  readonly outbox: Outbox;
  readonly position: Position | undefined;
}

const lastOf = async ({ nats, host, outbox }: Seeker, stream: AlertStream): Promise<Target['last']> => {
  const message = await lastMessage(nats, stream, host).catch((error) => {
    const { ErrorCode, NatsError } = natsClient();
    const isForbidden = error instanceof NatsError && error.code === ErrorCode.PermissionsViolation;
    throw isForbidden ? sentence(mayNotLook(host)) : error;
  });
  if (message === undefined) return undefined;
  const found = message.id === undefined ? undefined : parseMessageId(message.id, host);
  const { streamSeq } = message;
  if (found === undefined) return { seq: undefined, streamSeq, crc32c: '' };
  const { seq, crc32c } = found;
  const isOfThisLog = seq < outbox.first || (await outbox.checksumOf(seq)) === crc32c;
  return { seq: isOfThisLog ? seq : undefined, streamSeq, crc32c };
};

const look = async (seeker: Seeker, stream: AlertStream): Promise<Target> => {
  const last = await lastOf(seeker, stream);
  const resume = whereToGoOn(stream, last, seeker.position);
  if (resume.rewind !== 'went back') return { stream, resume, last };
  const detailed = await readStream(seeker.nats, stream.name, { deleted: true });
  return isError(detailed)
    ? { stream, resume, last }
    : { stream, last, resume: whereToGoOn(detailed, last, seeker.position) };
};

/**
 * Finds the stream and where to go on in it; undefined where the server has no JetStream. A replica that is behind may answer for its stream: only where
 * all are level, twice, is the stream believed to have gone back.
 */
export const openTarget = async (seeker: Seeker): Promise<Target | undefined> => {
  const { nats, host } = seeker;
  const stream = await openStream(nats, host);
  if (stream === undefined) return undefined;
  if (stream.problem !== undefined) throw sentence(stream.problem);
  const target = await look(seeker, stream);
  if (target.resume.rewind === undefined || stream.replicas === 1) return target;
  await delay(LEVEL_MS);
  const again = await readStream(nats, stream.name);
  if (isError(again)) throw sentence(inWords(again));
  const second = await look(seeker, again);
  if (second.resume.rewind === undefined) return second;
  if (!again.isLevel || second.resume.after !== target.resume.after)
    throw sentence(`the replicas of the stream ${stream.name} are not level yet`);
  return second;
};
