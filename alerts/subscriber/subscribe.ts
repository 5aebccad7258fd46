import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from 'nats';
import type { Alert } from '../alert.ts';
import { natsClient } from '../nats/client.ts';
import { connectTo, describeNatsError, parseServers, type Servers } from '../nats/connection.ts';
import { ALERT_SUBJECTS, parseSubjectTemplate } from '../nats/subject.ts';
import type { Gap } from './arrivals.ts';
import { type AlertFilters, alertFilter, wantedSubject } from './filters.ts';
import { createLedger } from './ledger.ts';
import { type Position, parsePosition } from './position.ts';
import { createReceiver } from './receiver.ts';
import { createSessions, type Start } from './session.ts';

const RECONNECT_MS = 500;
/** Before a stream is read again over a connection that stands. */
const PAUSE_MS = 50;

export interface SubscribeOptions {
  /** URLs separated by commas: `nats://127.0.0.1:4222`, or an address with the files that say who one is. */
  readonly servers: Parameters<typeof parseServers>[0];
  readonly filters?: AlertFilters;
  /**
   * Where to begin: `new` (the default) with what comes from now on, `all` with what the server's stream still has, or in that with a message's number
   * or a time, with a number of a host's log, or where a position says.
   */
  readonly from?: Start | Position;
  /** Alerts that the server took later than this are not passed on, and end the subscription. */
  readonly until?: Date;
  /** Whether to go on with new alerts behind those that the stream has; default true. */
  readonly follow?: boolean;
  /** The subjects' template, where it is not `shrike.alerts.<host>.<priority>.<rule>`. */
  readonly subject?: string;
  /**
   * Whether to look for alerts that did not arrive, for which all alerts of the wanted hosts are read; default where no filter but the host's leaves out
   * any at the server.
   */
  readonly gaps?: boolean;
  /** How long an alert waits for those before it that have not come: milliseconds, default 2,000. */
  readonly patience?: number;
  /** Alerts that did not arrive. Some may come later all the same; they are passed on then. */
  readonly onGap?: (gap: Gap) => void;
  /** Takes sentences about messages that are no alerts, alerts that did not arrive, and connections lost and found. */
  readonly report?: (sentence: string) => void;
}

/** Alerts as they come, each once and in the order of its host: to be iterated once, unless a function takes them. */
export interface AlertSubscription extends AsyncIterable<Alert> {
  /** Resolves when the subscription has ended, by `close` or as the options say; rejects with what the function throws that takes the alerts. */
  readonly ended: Promise<void>;
  /** How far it has come, with the alert that was passed on last: give it back as `from` to go on behind that. */
  readonly position: Position;
  /** Alerts that did not arrive, and have not come since. */
  readonly missing: readonly Gap[];
  close(): Promise<void>;
}

const DEFAULT_PATIENCE_MS = 2_000;

const isPosition = (from: Start | Position): from is Position => typeof from === 'object' && 'v' in from;

const checkStart = (from: Start, filters: AlertFilters): void => {
  if (typeof from !== 'object') return;
  if ('time' in from && Number.isNaN(from.time.getTime())) throw new Error('the time to begin at is none');
  if ('sequence' in from && !(Number.isSafeInteger(from.sequence) && from.sequence > 0))
    throw new Error('the number to begin at is no whole number from 1 on');
  if ('seq' in from && filters.host === undefined)
    throw new Error("a number of a host's log needs the host in the filters");
};

/** Codes of a server that is still away, as was said when the connection was lost. */
const AWAY = [
  'CONNECTION_REFUSED',
  'ECONNREFUSED',
  'ECONNRESET',
  'CONNECTION_TIMEOUT',
  'TIMEOUT',
  'CONNECTION_CLOSED',
  '503',
];

const isAway = (error: unknown): boolean => {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  return AWAY.some((known) => known === code || known === cause?.code);
};

const watchErrors = async (
  nats: NatsConnection,
  servers: Servers,
  report: (sentence: string) => void,
): Promise<void> => {
  const { DebugEvents, Events } = natsClient();
  for await (const { type, data } of nats.status()) {
    if (type === Events.Error) report(describeNatsError({ code: String(data) }, servers.text));
    else if (type === DebugEvents.StaleConnection)
      report(`${servers.text}: the server does not answer; connecting again`);
  }
};

/**
 * Subscribes to alerts: iterate over what it gives, or give a function, which is called again when it is done. A lost connection is tried again, and reading
 * goes on behind the last alert, also where the server's stream went back. @throws Error with a sentence where it can't begin
 */
export const subscribeAlerts = async (
  options: SubscribeOptions,
  onAlert?: (alert: Alert) => unknown,
): Promise<AlertSubscription> => {
  const { filters = {}, report = () => undefined, from = 'new' } = options;
  const servers = parseServers(options.servers);
  const template = options.subject === undefined ? ALERT_SUBJECTS : parseSubjectTemplate(options.subject);
  const narrow = wantedSubject(template, filters, false);
  const whole = wantedSubject(template, filters, true);
  const looksForGaps = options.gaps ?? narrow === whole;
  const before = isPosition(from) ? parsePosition(from) : undefined;
  const start = isPosition(from) ? 'all' : from;
  checkStart(start, filters);
  const ledger = createLedger(before);
  const receiver = createReceiver({
    template,
    isWanted: alertFilter(filters),
    fromSeq: typeof start === 'object' && 'seq' in start ? start.seq : 0,
    looksForGaps,
    patience: options.patience ?? DEFAULT_PATIENCE_MS,
    ledger,
    report,
  });
  const connect = () => connectTo(servers, { name: 'shrike alerts', reconnect: false });
  const closing = new AbortController();
  const sessions = createSessions({
    subject: looksForGaps ? whole : narrow,
    start,
    follow: options.follow ?? true,
    until: options.until,
    isResumed: before !== undefined,
    ledger,
    receiver,
    closing: closing.signal,
    report: (sentence) => report(`${servers.text}: ${sentence}`),
  });

  let nats = await connect();
  let session: Awaited<ReturnType<typeof sessions.open>>;
  try {
    void watchErrors(nats, servers, report);
    session = await sessions.open(nats);
  } catch (error) {
    receiver.end();
    await nats.close();
    throw new Error(describeNatsError(error, servers.text), { cause: error });
  }

  let said: string | undefined;
  const complain = (sentence: string): void => {
    if (sentence !== said) report(sentence);
    said = sentence;
  };
  const again = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      try {
        if (nats.isClosed()) {
          nats = await connect();
          void watchErrors(nats, servers, report);
          report(`${servers.text}: connected again`);
        } else await delay(PAUSE_MS, undefined, { signal: closing.signal });
        session = await sessions.open(nats);
        said = undefined;
        return;
      } catch (error) {
        if (closing.signal.aborted) return;
        if (!isAway(error))
          complain(
            error instanceof Error && error.cause !== undefined
              ? error.message
              : describeNatsError(error, servers.text),
          );
        await delay(RECONNECT_MS, undefined, { signal: closing.signal }).catch(() => undefined);
      }
    }
  };
  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      const outcome = await session.run();
      if (outcome === 'ended' || closing.signal.aborted) break;
      if (nats.isClosed()) report(`${servers.text}: the connection was lost; trying again`);
      await again();
    }
    receiver.end();
    await nats.close();
  };
  const running = run();

  const close = async (): Promise<void> => {
    closing.abort();
    receiver.drop();
    await nats.close();
    await running;
  };
  const iterate = async function* (): AsyncGenerator<Alert, void, undefined> {
    try {
      for (;;) {
        const item = await receiver.next();
        if (item === undefined) return;
        if (item.kind === 'alert') yield item.alert;
        else options.onGap?.(item.gap);
      }
    } finally {
      await close();
    }
  };
  const passOn = async (take: (alert: Alert) => unknown): Promise<void> => {
    for await (const alert of iterate()) await take(alert);
  };
  return {
    ended: onAlert === undefined ? running : passOn(onAlert).then(() => running),
    get position() {
      return ledger.position;
    },
    get missing() {
      return receiver.missing;
    },
    close,
    [Symbol.asyncIterator]: iterate,
  };
};
