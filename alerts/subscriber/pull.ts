import { setTimeout as delay } from 'node:timers/promises';
import type { ConsumerConfig, JetStreamManager, Msg, NatsConnection } from 'nats';
import { natsClient } from '../nats/client.ts';

const BATCH = 500;
const EXPIRES_MS = 20_000;
const HEARTBEAT_MS = 3_000;
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
  /** Messages behind it, as far as the filter lets them through. */
  readonly pending: number;
}

/** Where reading begins. */
export type From = { readonly sequence: number } | { readonly time: Date } | 'first' | 'last';

/** Messages of a stream in order, until the connection or the consumer is gone, or somebody has enough. */
export interface Pull {
  /** How many there were at the beginning. */
  readonly pending: number;
  /** The next one; undefined where there will be no more: then `isLost` says whether the consumer is gone. */
  next(): Promise<StreamMessage | undefined>;
  readonly isLost: boolean;
  close(): Promise<void>;
}

const configOf = (from: From): Partial<ConsumerConfig> => {
  const { DeliverPolicy } = natsClient();
  if (from === 'first') return { deliver_policy: DeliverPolicy.All };
  if (from === 'last') return { deliver_policy: DeliverPolicy.Last };
  if ('time' in from) return { deliver_policy: DeliverPolicy.StartTime, opt_start_time: from.time.toISOString() };
  return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, from.sequence) };
};

/** Numbers in the reply subject of a delivered message: `$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<of consumer>.<time>.<pending>`, newer servers with domain and account before the stream. */
const deliveryOf = (reply: string) => {
  const tokens = reply.split('.');
  const at = tokens.length < 11 ? 4 : 6;
  const [, sequence, number, time, pending] = tokens.slice(at, at + 5).map(Number);
  return { sequence: sequence ?? 0, number: number ?? 0, time: Math.floor((time ?? 0) / NS), pending: pending ?? 0 };
};

/** Begins to read; fails as the client does where the server has no such stream or does not permit it. */
export const pull = async (
  nats: NatsConnection,
  manager: JetStreamManager,
  stream: string,
  subject: string,
  from: From,
): Promise<Pull> => {
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
  let heard = performance.now();
  let wake = (): void => undefined;
  const inbox = createInbox((nats as { options?: { inboxPrefix?: string } }).options?.inboxPrefix);

  const lose = (): void => {
    isLost = true;
    wake();
  };
  const handle = (message: Msg): void => {
    heard = performance.now();
    if (message.subject !== inbox) {
      const { number, ...delivery } = deliveryOf(message.reply ?? '');
      asked--;
      if (number !== expected++) lose();
      if (!isLost) queue.push({ message, ...delivery });
    } else {
      const code = message.headers?.code ?? 0;
      if (code === 404 || code === 408 || (code === 409 && message.headers?.description !== 'Consumer Deleted'))
        asked = 0;
      else if (code !== 100) lose();
    }
    wake();
  };
  const subscription = nats.subscribe(inbox, {
    callback: (error, message) => (error === null ? handle(message) : lose()),
  });
  const ask = (): void => {
    asked = BATCH;
    heard = performance.now();
    const request = { batch: BATCH, expires: EXPIRES_MS * NS, idle_heartbeat: HEARTBEAT_MS * NS };
    nats.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`, JSON.stringify(request), { reply: inbox });
  };
  let isClosed = false;
  void nats.closed().then(lose);

  return {
    pending: num_pending,
    get isLost() {
      return isLost;
    },
    async next() {
      for (;;) {
        const message = queue.shift();
        if (message !== undefined) return message;
        if (isLost || isClosed) return undefined;
        if (asked <= 0) ask();
        else if (performance.now() - heard > SILENCE_MS) lose();
        const timer = new AbortController();
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        await Promise.race([woken, delay(HEARTBEAT_MS, undefined, { signal: timer.signal }).catch(() => undefined)]);
        timer.abort();
      }
    },
    async close() {
      isClosed = true;
      wake();
      if (nats.isClosed()) return;
      subscription.unsubscribe();
      await manager.consumers.delete(stream, name).catch(() => undefined);
    },
  };
};
