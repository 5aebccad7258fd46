import { setTimeout as delay } from 'node:timers/promises';
import type { JetStreamClient, NatsConnection } from 'nats';
import type { AuditLog } from '../audit/log.ts';
import { natsClient } from './client.ts';
import { connectTo, describeNatsError, parseServers } from './connection.ts';
import { type OutgoingAlert, openOutbox } from './outbox.ts';
import { ensureStream, lastMessageId, MESSAGE_ID_HEADER, PREVIOUS_HEADER, parseMessageId } from './stream.ts';

const IN_FLIGHT = 256;
const ACK_TIMEOUT_MS = 5_000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;
const MEMORY = 10_000;

export interface PublisherOptions {
  /** URLs separated by commas: `nats://127.0.0.1:4222`. */
  readonly servers: string;
  readonly host: string;
  readonly log: AuditLog;
  /** Takes sentences about connections lost and found. */
  readonly report?: (sentence: string) => void;
  /** How many alerts may wait in memory; what is beyond is read from the log again. Default 10,000. */
  readonly memory?: number;
}

/** How publishing stands. */
export interface PublisherState {
  readonly connected: boolean;
  /** Whether a JetStream stream takes the alerts; false while not connected. */
  readonly stream: boolean;
  /** Alerts that the server has acknowledged since the start. */
  readonly published: number;
  /** Alerts larger than the server takes; they are in the audit log only. */
  readonly refused: number;
  /** The last thing that went wrong, in a sentence. */
  readonly lastError: string | undefined;
}

/** Publishes the alerts of an audit log to NATS, in order, each until the server acknowledges it. */
export interface Publisher {
  readonly state: PublisherState;
  /** How many committed alerts are not acknowledged yet. */
  pending(): Promise<number>;
  /** Waits until every alert appended so far is acknowledged; false when that takes longer than `timeoutMs`. */
  flush(timeoutMs: number): Promise<boolean>;
  /** Stops at once; alerts not acknowledged stay in the log for the next start. */
  close(): Promise<void>;
}

type Send = (alert: OutgoingAlert, previous: number | undefined) => Promise<void>;

/** Starts publishing in the background; fails only on URLs that are none. */
export const createPublisher = (options: PublisherOptions): Publisher => {
  const { host, log, report } = options;
  const servers = parseServers(options.servers);
  const closing = new AbortController();
  let connection: NatsConnection | undefined;
  let hasStream = false;
  let published = 0;
  let refused = 0;
  let lastError: string | undefined;
  /** The last acknowledged alert, all before it acknowledged too; undefined until the first connection. */
  let acknowledged: number | undefined;
  /** The alert before the next one, undefined where it isn't known. */
  let previous: number | undefined;
  /** Every alert up to this entry is acknowledged. */
  let drained = -1;
  /** An alert failed while the connection stood, so the stream may have later ones without it. */
  let mayHaveHole = false;
  let wake = (): void => undefined;
  let abandonFlush = (): void => undefined;
  let waiters: (() => void)[] = [];

  const notify = (): void => {
    for (const waiter of waiters) waiter();
    waiters = [];
  };
  const outbox = openOutbox(log, options.memory ?? MEMORY, () => wake());

  const complain = (sentence: string): void => {
    if (sentence !== lastError) report?.(`${sentence}; alerts wait in the audit log`);
    lastError = sentence;
  };

  /** Where to go on: behind what the stream has of this log. Without a stream only alerts of this run are published. */
  const resumeAt = async (last: string | undefined): Promise<number> => {
    const found = last === undefined ? undefined : parseMessageId(last, host);
    const isOfThisLog = found !== undefined && (await outbox.checksumOf(found.seq)) === found.crc32c;
    if (acknowledged === undefined) return isOfThisLog ? found.seq : 0;
    return isOfThisLog && !mayHaveHole ? Math.max(acknowledged, found.seq) : acknowledged;
  };

  const prepare = async (nats: NatsConnection): Promise<Send> => {
    const stream = await ensureStream(nats);
    hasStream = stream !== undefined;
    if (stream === undefined) {
      acknowledged ??= log.openedAt;
      return sendPlain(nats);
    }
    acknowledged = await resumeAt(await lastMessageId(stream, host));
    previous = acknowledged;
    return sendToStream(nats.jetstream({ timeout: ACK_TIMEOUT_MS }));
  };

  /** Sends alerts together and waits for all; throws the first failure after counting what went before it. */
  const sendBatch = async (nats: NatsConnection, send: Send, alerts: readonly OutgoingAlert[]): Promise<void> => {
    const limit = nats.info?.max_payload ?? Number.POSITIVE_INFINITY;
    const sending = alerts.map(async (alert, index) => {
      if (Buffer.byteLength(alert.payload) > limit) return 'refused';
      await send(alert, index === 0 ? previous : alerts[index - 1]!.seq);
      return 'published';
    });
    const settled = Promise.allSettled(sending);
    if (!hasStream) await flushed(nats);
    for (const [index, result] of (await settled).entries()) {
      if (result.status === 'rejected') throw result.reason;
      acknowledged = alerts[index]!.seq;
      previous = acknowledged;
      if (result.value === 'refused') refused++;
      else published++;
    }
  };

  /** Waits for the server's PONG; the client itself would wait for ever on a connection that is lost. */
  const flushed = (nats: NatsConnection): Promise<void> =>
    new Promise((resolve, reject) => {
      const { ErrorCode, NatsError } = natsClient();
      abandonFlush = () => reject(NatsError.errorForCode(ErrorCode.ConnectionClosed));
      nats.flush().then(resolve, reject);
    });

  const session = async (nats: NatsConnection): Promise<void> => {
    const send = await prepare(nats);
    if (lastError !== undefined) report?.(`${servers.text}: publishing alerts again`);
    void nats.closed().then(() => {
      wake();
      abandonFlush();
    });
    let retryMs = FIRST_RETRY_MS;
    while (!nats.isClosed()) {
      const nudged = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const { committed } = log;
      const alerts = await outbox.take(acknowledged!, IN_FLIGHT);
      if (alerts.length === 0) {
        drained = committed;
        mayHaveHole = false;
        lastError = undefined;
        notify();
        if (!nats.isClosed()) await nudged;
        continue;
      }
      try {
        await sendBatch(nats, send, alerts);
        retryMs = FIRST_RETRY_MS;
      } catch (error) {
        if (nats.isClosed()) throw error;
        mayHaveHole = true;
        complain(describeNatsError(error, servers.text));
        await delay(retryMs, undefined, { signal: closing.signal });
        retryMs = Math.min(2 * retryMs, LAST_RETRY_MS);
      }
    }
  };

  const run = async (): Promise<void> => {
    let retryMs = FIRST_RETRY_MS;
    while (!closing.signal.aborted) {
      try {
        connection = await connectTo(servers, { name: `shrike ${host}`, reconnect: false });
        if (!closing.signal.aborted) await session(connection);
        retryMs = FIRST_RETRY_MS;
        throw new Error(`${servers.text}: the connection was lost`, { cause: 'closed' });
      } catch (error) {
        const isSentence = error instanceof Error && error.cause !== undefined;
        if (!closing.signal.aborted) complain(isSentence ? error.message : describeNatsError(error, servers.text));
      }
      await connection?.close();
      connection = undefined;
      hasStream = false;
      await delay(retryMs, undefined, { signal: closing.signal }).catch(() => undefined);
      retryMs = Math.min(2 * retryMs, LAST_RETRY_MS);
    }
  };
  const running = run();

  return {
    get state() {
      return { connected: connection?.isClosed() === false, stream: hasStream, published, refused, lastError };
    },
    pending: () => outbox.countAfter(acknowledged ?? 0),
    async flush(timeoutMs) {
      const deadline = Date.now() + timeoutMs;
      const { last } = log;
      await log.flush();
      while (drained < last) {
        wake();
        const left = deadline - Date.now();
        if (left <= 0 || closing.signal.aborted) return false;
        const changed = new Promise<void>((resolve) => waiters.push(resolve));
        const timeout = new AbortController();
        await Promise.race([changed, delay(left, undefined, { signal: timeout.signal }).catch(() => undefined)]);
        timeout.abort();
      }
      return true;
    },
    async close() {
      closing.abort();
      await connection?.close();
      await running;
      await outbox.close();
      notify();
    },
  };
};

const headersOf = (alert: OutgoingAlert, previous: number | undefined) => {
  const found = natsClient().headers();
  found.set(MESSAGE_ID_HEADER, alert.messageId);
  if (previous !== undefined) found.set(PREVIOUS_HEADER, String(previous));
  return found;
};

const sendToStream =
  (stream: JetStreamClient): Send =>
  async (alert, previous) => {
    await stream.publish(alert.subject, alert.payload, { headers: headersOf(alert, previous) });
  };

const sendPlain =
  (nats: NatsConnection): Send =>
  async (alert, previous) =>
    nats.publish(alert.subject, alert.payload, { headers: headersOf(alert, previous) });
