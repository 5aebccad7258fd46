import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from 'nats';
import type { AuditLog } from '../audit/log.ts';
import { createLatencyRecorder } from '../latency.ts';
import { connectTo, describeNatsError, parseServers } from './connection.ts';
import type { NatsAddress } from './identity.ts';
import { type OutgoingAlert, openOutbox } from './outbox.ts';
import { createPipeline, type Stop, WINDOW } from './pipeline.ts';
import { sendPlainly } from './plain.ts';
import { openProgress, type Progress } from './progress.ts';
import type { Publisher } from './publisher-state.ts';
import { watchRefusals } from './refusals.ts';
import { parseMessageId } from './stream.ts';
import { openTarget, sentence, type Target } from './target.ts';

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;
const MEMORY = 10_000;

export type { Publisher, PublisherState } from './publisher-state.ts';

export interface PublisherOptions {
  /** URLs separated by commas: `nats://127.0.0.1:4222`; files may say who this is. */
  readonly servers: string | NatsAddress;
  readonly host: string;
  readonly log: AuditLog;
  /** Takes sentences about connections lost and found. */
  readonly report?: (sentence: string) => void;
  /** How many alerts may wait in memory; what is beyond is read from the log again. Default 10,000. */
  readonly memory?: number;
}

/** Starts publishing in the background; fails only on URLs that are none. */
export const createPublisher = (options: PublisherOptions): Publisher => {
  const { host, log } = options;
  const servers = parseServers(options.servers);
  const closing = new AbortController();
  const latency = createLatencyRecorder();
  const resent = { overtaken: 0, doubtful: 0, failed: 0 };
  let connection: NatsConnection | undefined;
  let hasStream = false;
  let inFlight = (): number => 0;
  let published = 0;
  let refused = 0;
  let rewinds = 0;
  let lastError: string | undefined;
  /** The last alert seen to, all before it too; undefined until the first connection. */
  let done: number | undefined;
  /** Every alert up to this entry is acknowledged. */
  let drained = -1;
  let wake = (): void => undefined;
  let waiters: (() => void)[] = [];

  const outbox = openOutbox(log, options.memory ?? MEMORY, () => wake());
  const report = (text: string): void => options.report?.(text);
  const nextNudge = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });
  const pause = (ms: number): Promise<void> => delay(ms, undefined, { signal: closing.signal });

  const complain = (text: string): void => {
    const complaint = `${servers.text}: ${text}`;
    if (complaint !== lastError) report(`${complaint}; alerts wait in the audit log`);
    lastError = complaint;
  };
  const recovered = (): void => {
    if (lastError !== undefined) report(`${servers.text}: publishing alerts again`);
    lastError = undefined;
  };
  /** Takes what the server refuses without an answer: while alerts are under way they are sent again. */
  let fail: (text: string) => void = complain;
  /** An error of the client's or a sentence of our own, without the servers. */
  const wordsOf = (error: unknown): string => {
    const isSentence = error instanceof Error && error.cause !== undefined;
    const words = isSentence ? error.message : describeNatsError(error, servers.text);
    const prefix = `${servers.text}: `;
    return words.startsWith(prefix) ? words.slice(prefix.length) : words;
  };

  /** A log that removes old segments keeps those longer that no server has. */
  const tellLog = (seq: number): void => log.acknowledged(seq);
  const seeTo = (seq: number): void => {
    done = seq;
    outbox.release(seq);
    tellLog(seq);
  };
  const acknowledge = (alert: OutgoingAlert): void => {
    published++;
    if (alert.committedAt !== undefined) latency.record(performance.now() - alert.committedAt);
    seeTo(alert.seq);
    if (lastError !== undefined) recovered();
  };
  const refuse = (alert: OutgoingAlert): void => {
    refused++;
    seeTo(alert.seq);
  };
  /** Nothing waits: every alert up to `committed` has been seen to. */
  const rest = (committed: number): void => {
    drained = committed;
    recovered();
    for (const waiter of waiters) waiter();
    waiters = [];
  };

  /** Takes over where to go on, and says what the server had lost. Returns the alert before the next one, undefined where that isn't known. */
  const begin = async (progress: Progress, { stream, resume, last }: Target): Promise<number | undefined> => {
    const { after, rewind } = resume;
    const had = progress.position?.stored?.seq ?? progress.position?.done ?? 0;
    const { first } = outbox;
    await progress.begin(stream, resume, last);
    done = after;
    tellLog(after);
    if (rewind !== undefined && had > after) {
      rewinds++;
      drained = -1;
      const what = rewind === 'went back' ? 'went back' : 'is another than before';
      report(`${servers.text}: the stream ${stream.name} ${what}: it gets the alerts behind ${host}-${after} again`);
    }
    const isGone = after + 1 < first && (rewind !== undefined || last?.seq !== undefined);
    if (isGone && (await progress.gone(after + 1, first - 1))) {
      const gone = `entries ${after + 1} to ${first - 1} are no longer in the audit log`;
      report(`${servers.text}: the stream ${stream.name} lacks alerts that can't be published again: ${gone}`);
    }
    return isGone ? undefined : after;
  };

  /** Publishes until the pipeline stops; throws where the connection is lost. */
  const publishTo = async (nats: NatsConnection, progress: Progress, target: Target): Promise<Stop> => {
    const { stream } = target;
    const begun = await begin(progress, target);
    let sent = done!;
    const [start, beforeStart] = [sent, begun];
    const maxBytes = Math.min(nats.info?.max_payload ?? Infinity, stream.maxMessageBytes ?? Infinity);
    const pipeline = createPipeline({
      nats,
      maxBytes,
      streamSeq: stream.lastSeq,
      // A replica that was restarted may judge "directly behind" otherwise than its leader did, and then lacks what that one acknowledged.
      inRuns: stream.replicas === 1,
      isOwn: (id) => parseMessageId(id, host) !== undefined,
      onStored: (alert, streamSeq) => {
        progress.stored(alert, streamSeq);
        acknowledge(alert);
      },
      onChange: () => wake(),
    });
    inFlight = () => pipeline.inFlight;
    fail = pipeline.fail;
    let waiting: readonly OutgoingAlert[] = [];
    let at = 0;
    try {
      while (!nats.isClosed()) {
        const nudged = nextNudge();
        if (pipeline.stop !== undefined) {
          const { stop } = pipeline;
          if (stop.kind === 'too large') {
            await progress.refused(stop.alert, stop.bytes, maxBytes);
            refuse(stop.alert);
          } else resent[stop.kind]++;
          if (stop.kind === 'failed' || stop.kind === 'doubtful') return stop;
          pipeline.clear();
          sent = done!;
          [waiting, at] = [[], 0];
        }
        if (at === waiting.length) {
          const { committed } = log;
          [waiting, at] = [await outbox.take(sent, WINDOW), 0];
          if (waiting.length === 0) {
            pipeline.rest();
            if (pipeline.inFlight === 0) rest(committed);
          }
        }
        while (at < waiting.length && pipeline.room() > 0) {
          const alert = waiting[at]!;
          if (!pipeline.send(alert, sent === start ? beforeStart : sent)) break;
          sent = alert.seq;
          at++;
        }
        if (!nats.isClosed()) await nudged;
      }
      throw sentence('the connection was lost');
    } finally {
      inFlight = () => 0;
      fail = complain;
      pipeline.close();
    }
  };

  /** Publishes without JetStream: what is raised in this run, to whoever listens now. */
  const publishPlainly = async (nats: NatsConnection): Promise<never> => {
    done ??= log.openedAt;
    let previous: number | undefined = done;
    while (!nats.isClosed()) {
      const nudged = nextNudge();
      const { committed } = log;
      const alerts = await outbox.take(done, WINDOW);
      if (alerts.length === 0) {
        rest(committed);
        if (!nats.isClosed()) await nudged;
        continue;
      }
      const tooLarge = await sendPlainly(nats, alerts, previous);
      refused += tooLarge.length;
      published += alerts.length - tooLarge.length;
      done = alerts.at(-1)!.seq;
      previous = done;
      outbox.release(done);
    }
    throw sentence('the connection was lost');
  };

  const session = async (nats: NatsConnection, progress: Progress): Promise<void> => {
    void nats.closed().then(() => wake());
    void watchRefusals(nats, (text) => fail(text));
    for (let retryMs = FIRST_RETRY_MS; !nats.isClosed(); retryMs = Math.min(2 * retryMs, LAST_RETRY_MS)) {
      const before = published;
      try {
        const target = await openTarget({ nats, host, outbox, position: progress.position });
        hasStream = target !== undefined;
        if (target === undefined && progress.position !== undefined)
          throw sentence(
            'JetStream is off there, and was on before; turn it on (nats-server -js) and look whether its disk is full',
          );
        if (target === undefined) await publishPlainly(nats);
        else {
          const stop = await publishTo(nats, progress, target);
          if (stop.kind === 'failed') complain(stop.sentence);
        }
      } catch (error) {
        if (nats.isClosed()) throw error;
        complain(wordsOf(error));
      }
      if (published > before) retryMs = FIRST_RETRY_MS;
      await pause(retryMs);
    }
    throw sentence('the connection was lost');
  };

  const run = async (): Promise<void> => {
    let progress: Progress | undefined;
    let retryMs = FIRST_RETRY_MS;
    while (!closing.signal.aborted) {
      const before = published;
      try {
        progress ??= await openProgress(log, outbox);
        connection = await connectTo(servers, { name: `shrike ${host}`, reconnect: false });
        if (!closing.signal.aborted) await session(connection, progress);
      } catch (error) {
        if (!closing.signal.aborted) complain(wordsOf(error));
      }
      await connection?.close();
      connection = undefined;
      hasStream = false;
      if (published > before) retryMs = FIRST_RETRY_MS;
      await pause(retryMs).catch(() => undefined);
      retryMs = Math.min(2 * retryMs, LAST_RETRY_MS);
    }
    await progress?.close();
  };
  const running = run();

  return {
    get state() {
      return {
        connected: connection?.isClosed() === false,
        stream: hasStream,
        published,
        refused,
        inFlight: inFlight(),
        behind: log.committed - Math.max(done ?? 0, Math.min(drained, log.committed), 0),
        rewinds,
        resent: { ...resent },
        latency: latency.histogram(),
        lastError,
      };
    },
    pending: () => outbox.countAfter(done ?? 0),
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
      for (const waiter of waiters) waiter();
    },
  };
};
