import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from 'nats';
import { connectTo, describeNatsError, type Servers } from '../nats/connection.ts';

const FIRST_RETRY_MS = 100;

export interface LinkOptions {
  readonly servers: Servers;
  /** What the server is told that this connection is. */
  readonly name: string;
  /** Works on a connection until it is lost; what it throws is reported, and the next connection follows. */
  readonly use: (nats: NatsConnection) => Promise<void>;
  /** Milliseconds between tries, at most. */
  readonly lastRetryMs: number;
  readonly report: (sentence: string) => void;
}

/** A connection that is made again whenever it is lost. */
export interface Link {
  /** The connection there is; undefined while there is none. */
  readonly connection: NatsConnection | undefined;
  readonly lastError: string | undefined;
  close(): Promise<void>;
}

/** Connects in the background and goes on until it is closed; a server that isn't there is tried again. Each reason is said once. */
export const openLink = ({ servers, name, use, lastRetryMs, report }: LinkOptions): Link => {
  const closing = new AbortController();
  let connection: NatsConnection | undefined;
  let lastError: string | undefined;

  const complain = (error: unknown): void => {
    const isSentence = error instanceof Error && error.cause !== undefined;
    const sentence = isSentence ? error.message : describeNatsError(error, servers.text);
    if (sentence !== lastError) report(sentence);
    lastError = sentence;
  };

  const run = async (): Promise<void> => {
    let retryMs = FIRST_RETRY_MS;
    while (!closing.signal.aborted) {
      try {
        connection = await connectTo(servers, { name, reconnect: false });
        if (closing.signal.aborted) break;
        if (lastError !== undefined) report(`${servers.text}: connected again`);
        lastError = undefined;
        retryMs = FIRST_RETRY_MS;
        await use(connection);
      } catch (error) {
        if (!closing.signal.aborted) complain(error);
      }
      await connection?.close();
      connection = undefined;
      await delay(retryMs, undefined, { signal: closing.signal }).catch(() => undefined);
      retryMs = Math.min(2 * retryMs, lastRetryMs);
    }
    await connection?.close();
    connection = undefined;
  };
  const running = run();

  return {
    get connection() {
      return connection?.isClosed() === false ? connection : undefined;
    },
    get lastError() {
      return lastError;
    },
    async close() {
      closing.abort();
      await connection?.close();
      await running;
    },
  };
};
