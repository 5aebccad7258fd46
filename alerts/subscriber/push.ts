import type { Msg, NatsConnection } from 'nats';
import { API_TIMEOUT_MS, errorIn, inboxOf, JETSTREAM_ERRORS } from '../nats/api.ts';
import { natsClient } from '../nats/client.ts';
import { SUBSCRIBER_API } from '../nats/server-config.ts';
import { createBell } from './bell.ts';
import { configOf, deliveryOf, type From, type Pull, type StreamMessage } from './pull.ts';

const HEARTBEAT_MS = 1_000;
/** The same where it is waited for the end of what there is. */
const QUICK_HEARTBEAT_MS = 250;
/** Without a sign of life for so long a consumer is taken for lost. */
const SILENCE_MS = 15_000;
const NS = 1_000_000;
const CONTROL = 100;

/** What a consumer's making says of it. */
interface Made {
  readonly pending: number;
  /** The number in the stream that reading begins with: never before the stream's first message, nor beyond the one that comes next. */
  readonly startsAt: number;
}

interface Answer {
  readonly num_pending?: number;
  readonly delivered?: { readonly stream_seq?: number };
}

/**
 * Asks for a consumer in the one way that a server's permissions can confine: its filter is part of the subject. Undefined where there is no such stream.
 * @throws NatsError where this user may not read these subjects, or nothing answers
 */
const make = async (
  nats: NatsConnection,
  stream: string,
  subject: string,
  from: From,
  inbox: string,
  heartbeat: number,
): Promise<Made | undefined> => {
  const name = `shrike-${natsClient().nuid.next()}`;
  const config = {
    name,
    deliver_subject: inbox,
    filter_subject: subject,
    ack_policy: 'none',
    max_deliver: 1,
    mem_storage: true,
    num_replicas: 1,
    flow_control: true,
    idle_heartbeat: heartbeat * NS,
    ...configOf(from),
  };
  const message = await nats.request(
    `${SUBSCRIBER_API}.CONSUMER.CREATE.${stream}.${name}.${subject}`,
    JSON.stringify({ stream_name: stream, config }),
    { timeout: API_TIMEOUT_MS },
  );
  const answer = message.json<Answer>();
  const error = errorIn(answer);
  if (error?.code === JETSTREAM_ERRORS.noStream) return undefined;
  if (error !== undefined) throw new Error(`the stream ${stream} can't be read: ${error.text}`);
  return { pending: answer.num_pending ?? 0, startsAt: (answer.delivered?.stream_seq ?? 0) + 1 };
};

/** The numbers of a stream's first and last message, found by where reading would begin. */
export const boundsByPush = async (nats: NatsConnection, stream: string, subject: string) => {
  const startOf = async (sequence: number): Promise<number> => {
    const made = await make(nats, stream, subject, { sequence }, inboxOf(nats), HEARTBEAT_MS);
    if (made === undefined) throw new Error(`there is no stream ${stream} yet; let the administrator make it`);
    return made.startsAt;
  };
  return { first_seq: await startOf(1), last_seq: (await startOf(Number.MAX_SAFE_INTEGER)) - 1 };
};

/** Begins to read where an account has only a part of JetStream's API; undefined where there is no such stream. */
export const push = async (
  nats: NatsConnection,
  stream: string,
  subject: string,
  from: From,
  isQuick = false,
): Promise<Pull | undefined> => {
  /** Messages, and subjects on which the server waits for word that those before were read. */
  const queue: (StreamMessage | string)[] = [];
  let expected = 1;
  let isLost = false;
  let isIdle = false;
  let isClosed = false;
  let heard = performance.now();
  const bell = createBell();
  const inbox = inboxOf(nats);

  const lose = (): void => {
    isLost = true;
    bell.ring();
  };
  const control = ({ headers, reply }: Msg): void => {
    const stalled = headers?.get('Nats-Consumer-Stalled') || undefined;
    const last = headers?.get('Nats-Last-Consumer') || undefined;
    if (reply || stalled !== undefined) queue.push(reply || stalled!);
    else if (last !== undefined && Number(last) !== expected - 1) lose();
    else isIdle = true;
  };
  const handle = (message: Msg): void => {
    heard = performance.now();
    if (message.headers?.code === CONTROL && message.data.length === 0) control(message);
    else {
      const { number, ...delivery } = deliveryOf(message.reply ?? '');
      isIdle = false;
      if (number !== expected++) lose();
      if (!isLost) queue.push({ message, ...delivery });
    }
    bell.ring();
  };
  const subscription = nats.subscribe(inbox, {
    callback: (error, message) => (error === null ? handle(message) : lose()),
  });
  let made: Made | undefined;
  try {
    made = await make(nats, stream, subject, from, inbox, isQuick ? QUICK_HEARTBEAT_MS : HEARTBEAT_MS);
  } finally {
    if (made === undefined && !nats.isClosed()) subscription.unsubscribe();
  }
  if (made === undefined) return undefined;
  void nats.closed().then(lose);

  return {
    isEmpty: made.pending === 0,
    get isLost() {
      return isLost;
    },
    async next(untilIdle = false) {
      for (;;) {
        const item = queue.shift();
        if (typeof item === 'string') {
          if (!nats.isClosed()) nats.publish(item);
          continue;
        }
        if (item !== undefined) return item;
        if (isLost || isClosed || (untilIdle && isIdle)) return undefined;
        if (performance.now() - heard > SILENCE_MS) {
          lose();
          continue;
        }
        await bell.wait(HEARTBEAT_MS);
      }
    },
    async close() {
      isClosed = true;
      bell.ring();
      if (!nats.isClosed()) subscription.unsubscribe();
    },
  };
};
