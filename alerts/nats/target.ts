import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection, NatsError } from 'nats';
import type { Output } from '../formats/output.ts';
import { isError, JETSTREAM_ERRORS, type JetStreamError } from './api.ts';
import { natsClient } from './client.ts';
import type { Outbox } from './outbox.ts';
import type { Position } from './position.ts';
import { type LastAlert, type Resume, whereToGoOn } from './resume.ts';
import { type AlertStream, ensureStream, lastMessage, parseMessageId, probeStream, readStream } from './stream.ts';

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

const inWords = ({ code, text }: JetStreamError, name: string): string =>
  code === JETSTREAM_ERRORS.unavailable || code === JETSTREAM_ERRORS.notLeader
    ? 'JetStream has no leader there just now; do more than half of the servers of its cluster run?'
    : `JetStream does not make the stream ${name} (${text}); make it by hand, or give JetStream room`;

const mayNotLook = ({ stream, hostSubject }: Output, host: string): string => {
  const { name } = stream(host);
  return `this user may not look at the stream ${name}; permit $JS.API.STREAM.INFO.${name}, $JS.API.DIRECT.GET.${name}.${hostSubject(host)} and an inbox`;
};

/** The stream on a connection; undefined where the server has no JetStream. */
const openStream = async (seeker: Seeker): Promise<AlertStream | undefined> => {
  const { nats, host, output } = seeker;
  const wanted = output.stream(host);
  const { ErrorCode, NatsError } = natsClient();
  try {
    const stream = await ensureStream(nats, wanted);
    if (!isError(stream)) return stream;
    if (isOff(stream)) return undefined;
    throw sentence(inWords(stream, wanted.name));
  } catch (error) {
    if (!(error instanceof NatsError)) throw error;
    if (error.code === ErrorCode.NoResponders) return undefined;
    if (error.code === ErrorCode.Timeout)
      throw sentence('the server does not answer what JetStream is asked; is it overloaded, or without a leader?');
    if (error.code !== ErrorCode.PermissionsViolation) throw error;
    const isMaking = error.permissionContext?.subject.includes('STREAM.CREATE') === true;
    if (isMaking) throw sentence(mayNotMake(wanted.name));
    return openUnseen(seeker);
  }
};

const mayNotMake = (name: string): string =>
  `there is no stream ${name} and this user may not make it; let an administrator make it, or permit $JS.API.STREAM.CREATE.${name}`;

/** The stream of a user who may only publish to it and read the host's last alert. */
const openUnseen = async ({ nats, host, output }: Seeker): Promise<AlertStream> => {
  const wanted = output.stream(host);
  const { ErrorCode } = natsClient();
  try {
    const stream = await probeStream(nats, wanted, output.hostSubject(host));
    if (!isError(stream)) return stream;
    throw sentence(`the stream ${wanted.name} does not take alerts (${stream.text}); is another in its place?`);
  } catch (error) {
    const { code, permissionContext } = error as NatsError;
    if (code === ErrorCode.NoResponders) throw sentence(mayNotMake(wanted.name));
    if (code === ErrorCode.Timeout)
      throw sentence(
        `nothing says that it takes this host's alerts; is there the stream ${wanted.name}, with a leader? If not, let an administrator make it`,
      );
    if (code !== ErrorCode.PermissionsViolation) throw error;
    throw sentence(
      `this user may not publish on ${permissionContext?.subject ?? output.hostSubject(host)}; are the credentials those of this host?`,
    );
  }
};

/** What a publisher needs to know in order to find where to go on. */
export interface Seeker {
  readonly nats: NatsConnection;
  readonly host: string;
  readonly output: Output;
  readonly outbox: Outbox;
  readonly position: Position | undefined;
}

const lastOf = async ({ nats, host, output, outbox }: Seeker, stream: AlertStream): Promise<Target['last']> => {
  const message = await lastMessage(nats, stream, output, host).catch((error) => {
    const { ErrorCode, NatsError } = natsClient();
    const isForbidden = error instanceof NatsError && error.code === ErrorCode.PermissionsViolation;
    throw isForbidden ? sentence(mayNotLook(output, host)) : error;
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
  if (resume.rewind !== 'went back' || !stream.isSeen) return { stream, resume, last };
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
  const { nats } = seeker;
  const stream = await openStream(seeker);
  if (stream === undefined) return undefined;
  if (stream.problem !== undefined) throw sentence(stream.problem);
  const target = await look(seeker, stream);
  if (target.resume.rewind === undefined || stream.replicas === 1) return target;
  await delay(LEVEL_MS);
  const again = stream.isSeen ? await readStream(nats, stream.name) : await openUnseen(seeker);
  if (isError(again)) throw sentence(inWords(again, stream.name));
  const second = await look(seeker, again);
  if (second.resume.rewind === undefined) return second;
  if (!again.isLevel || second.resume.after !== target.resume.after)
    throw sentence(`the replicas of the stream ${stream.name} are not level yet`);
  return second;
};
