import type { ConsumerConfig, JetStreamManager, Msg, NatsConnection } from 'nats';
import { natsClient } from '../nats/client.ts';
import { createBell } from './bell.ts';

const BATCH = 500;
const EXPIRES_MS = 20_000;
const HEARTBEAT_MS = 3_000;
/** The same where it is waited for the end of what there is. */
const QUICK_HEARTBEAT_MS = 250;
/** Without a message or heartbeat for so long the consumer is taken to be gone. */
const SILENCE_MS = 15_000;
const INACTIVE_MS = 60_000;
const NS = 1_000_000;

/** A message of a stream. */
export interface StreamMessage {
  readonly message: Msg;
  readonly sequence: number;
  /** When the stream took it: milliseconds since 1970. */
  readonly time: number;
}

/** Where reading begins. */
export type From = { readonly sequence: number } | { readonly time: Date } | 'first' | 'last';

/** Messages of a stream in order, until the connection or the consumer is gone, or somebody has enough. */
export interface Pull {
  /** Whether the server says that there are none yet. */
  readonly isEmpty: boolean;
  /**
   * The next one; undefined where the consumer is gone (`isLost`) or was closed, and with `untilIdle` where there are no more for now: the server says so with
   * a heartbeat. Its count of those that follow can be too high (seen with 2.9.10).
   */
  next(untilIdle?: boolean): Promise<StreamMessage | undefined>;
  readonly isLost: boolean;
  close(): Promise<void>;
}

export const configOf = (from: From): Partial<ConsumerConfig> => {
  const { DeliverPolicy } = natsClient();
  if (from === 'first') return { deliver_policy: DeliverPolicy.All };
  if (from === 'last') return { deliver_policy: DeliverPolicy.Last };
  if ('time' in from) return { deliver_policy: DeliverPolicy.StartTime, opt_start_time: from.time.toISOString() };
  return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, from.sequence) };
};

/** Numbers in the reply subject of a delivered message: `$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<of consumer>.<time>.<pending>`, newer servers with domain and account before the stream. */
export const deliveryOf = (reply: string) => {
  const tokens = reply.split('.');
  const at = tokens.length < 11 ? 4 : 6;
  const [, sequence, number, time] = tokens.slice(at, at + 4).map(Number);
  return { sequence: sequence ?? 0, number: number ?? 0, time: Math.floor((time ?? 0) / NS) };
};

/** Begins to read; fails as the client does where the server has no such stream or does not permit it. */
export const pull = async (
  nats: NatsConnection,
  manager: JetStreamManager,
  stream: string,
  subject: string,
  from: From,
  isQuick = false,
): Promise<Pull> => {
  const heartbeat = isQuick ? QUICK_HEARTBEAT_MS : HEARTBEAT_MS;
  const { AckPolicy, createInbox, nuid } = natsClient();
  const { name, num_pending } = await manager.consumers.add(stream, {
    name: `shrike-${nuid.next()}`,
    ack_policy: AckPolicy.None,
    filter_subject: subject,
    inactive_threshold: INACTIVE_MS * NS,
    mem_storage: true,
    num_replicas: 1,
    ...configOf(from),
  });
  const queue: StreamMessage[] = [];
  let asked = 0;
  let expected = 1;
  let isLost = false;
  let isIdle = false;
  let heard = performance.now();
  const bell = createBell();
  const inbox = createInbox((nats as { options?: { inboxPrefix?: string } }).options?.inboxPrefix);

  const lose = (): void => {
    isLost = true;
    bell.ring();
  };
  const handle = (message: Msg): void => {
    heard = performance.now();
    if (message.subject !== inbox) {
      const { number, ...delivery } = deliveryOf(message.reply ?? '');
      asked--;
      isIdle = false;
      if (number !== expected++) lose();
      if (!isLost) queue.push({ message, ...delivery });
    } else {
      const code = message.headers?.code ?? 0;
      if (code === 404 || code === 408 || (code === 409 && message.headers?.description !== 'Consumer Deleted'))
        asked = 0;
      else if (code === 100) isIdle = true;
      else lose();
    }
    bell.ring();
  };
  const subscription = nats.subscribe(inbox, {
    callback: (error, message) => (error === null ? handle(message) : lose()),
  });
  const ask = (): void => {
    asked = BATCH;
    heard = performance.now();
    const request = { batch: BATCH, expires: EXPIRES_MS * NS, idle_heartbeat: heartbeat * NS };
    nats.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`, JSON.stringify(request), { reply: inbox });
  };
  let isClosed = false;
  void nats.closed().then(lose);

  return {
    isEmpty: num_pending === 0,
    get isLost() {
      return isLost;
    },
    async next(untilIdle = false) {
      for (;;) {
        const message = queue.shift();
        if (message !== undefined) return message;
        if (isLost || isClosed || (untilIdle && isIdle)) return undefined;
        if (asked <= 0) ask();
        else if (performance.now() - heard > SILENCE_MS) lose();
        await bell.wait(HEARTBEAT_MS);
      }
    },
    async close() {
      isClosed = true;
      bell.ring();
      if (nats.isClosed()) return;
      subscription.unsubscribe();
      await manager.consumers.delete(stream, name).catch(() => undefined);
    },
  };
};
