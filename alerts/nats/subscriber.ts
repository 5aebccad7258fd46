import type { Msg, NatsConnection, NatsError } from 'nats';
import type { Alert } from '../alert.ts';
import { parseAlert } from '../schema.ts';
import { natsClient } from './client.ts';
import { connectTo, describeNatsError, parseServers } from './connection.ts';
import type { NatsAddress } from './identity.ts';
import { findStream, MESSAGE_ID_HEADER, PREVIOUS_HEADER } from './stream.ts';
import { type AlertFilters, alertSubject, filterSubject } from './subject.ts';

const REMEMBERED_IDS = 4_096;
const RECONNECT_MS = 500;
const HEARTBEAT_MS = 1_000;

export interface SubscribeOptions {
  /** URLs separated by commas: `nats://127.0.0.1:4222`, or with the files that say who one is. */
  readonly servers: string | NatsAddress;
  readonly filters?: AlertFilters;
  /** Alerts that the server's stream still has, all or from a sequence number of the stream on; left out: only new ones. */
  readonly replay?: 'all' | number;
  /** Takes sentences about messages that are no alerts, alerts that did not arrive, and connections lost and found. */
  readonly report?: (sentence: string) => void;
}

export interface AlertSubscription {
  /** Resolves when the subscription has ended: to undefined after `close`, or to a sentence that says why. */
  readonly ended: Promise<string | undefined>;
  close(): Promise<void>;
}

type Report = (sentence: string) => void;
type Message = Pick<Msg, 'subject' | 'headers' | 'string'>;

/** Calls `onAlert` once for each alert, in the order of its host; fails with a sentence where that can't begin. */
export const subscribeAlerts = async (
  options: SubscribeOptions,
  onAlert: (alert: Alert) => void,
): Promise<AlertSubscription> => {
  const servers = parseServers(options.servers);
  const report = options.report ?? (() => undefined);
  const filters = options.filters ?? {};
  const subject = filterSubject(filters);
  const receive = createReceiver(filters, report, onAlert);
  const nats = await connectTo(servers, {
    name: 'shrike alerts',
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
  });
  void watchConnection(nats, servers.text, report);
  const handle = (error: NatsError | null, message: Message) => {
    if (error === null) receive(message);
    else report(describeNatsError(error, servers.text));
  };
  try {
    if (options.replay === undefined) nats.subscribe(subject, { callback: handle });
    else if (!(await replayFrom(nats, subject, options.replay, handle))) {
      throw new Error('it keeps no stream of alerts to read again; leave out --since');
    }
    await nats.flush();
  } catch (error) {
    await nats.close();
    throw new Error(describeNatsError(error, servers.text), { cause: error });
  }
  return {
    ended: nats.closed().then((error) => (error ? describeNatsError(error, servers.text) : undefined)),
    close: () => nats.close(),
  };
};

/** Reads a stream in order and goes on with what is new; false where the server has no stream of alerts. */
const replayFrom = async (
  nats: NatsConnection,
  subject: string,
  from: 'all' | number,
  handle: (error: NatsError | null, message: Message) => void,
): Promise<boolean> => {
  const stream = await findStream(nats);
  if (stream === undefined) return false;
  const consumer = natsClient().consumerOpts().bindStream(stream.name).orderedConsumer().idleHeartbeat(HEARTBEAT_MS);
  if (from === 'all') consumer.deliverAll();
  else consumer.startSequence(from);
  consumer.callback((error, message) => {
    if (error !== null || message !== null) handle(error, message as Message);
  });
  await nats.jetstream().subscribe(subject, consumer);
  return true;
};

const watchConnection = async (nats: NatsConnection, servers: string, report: Report): Promise<void> => {
  const { DebugEvents, Events } = natsClient();
  for await (const { type, data } of nats.status()) {
    if (type === Events.Disconnect) report(`${servers}: the connection was lost; trying again`);
    else if (type === Events.Reconnect) report(`${servers}: connected again`);
    else if (type === Events.Error) report(describeNatsError({ code: String(data) }, servers));
    else if (type === DebugEvents.StaleConnection) report(`${servers}: the server does not answer; connecting again`);
  }
};

/** Checks messages and passes on each alert once; says which are no alerts and between which some are missing. */
const createReceiver = ({ priority, rule }: AlertFilters, report: Report, onAlert: (alert: Alert) => void) => {
  const seesAllOfHost = priority === undefined && rule === undefined;
  const lastOf = new Map<string, number>();
  const seen = new Set<string>();

  const isNew = (id: string): boolean => {
    if (seen.has(id)) return false;
    seen.add(id);
    if (seen.size > REMEMBERED_IDS) seen.delete(seen.values().next().value!);
    return true;
  };

  const noticeGap = ({ host, seq }: Alert, previousText: string): void => {
    const last = lastOf.get(host);
    lastOf.set(host, seq);
    const previous = Number(previousText);
    if (!seesAllOfHost || last === undefined || previousText === '' || previous <= last) return;
    report(`alerts of ${host} did not arrive: those after ${host}-${last} up to ${host}-${previous}`);
  };

  return (message: Message): void => {
    const parsed = parseAlert(message.string());
    if ('problem' in parsed) {
      report(`a message on ${message.subject} is no alert: ${parsed.problem}`);
      return;
    }
    const { alert } = parsed;
    const expected = alertSubject(alert.host, alert.priority, alert.rule);
    if (message.subject !== expected) {
      report(`a message on ${message.subject} is no alert of that subject: it claims to be one of ${expected}`);
      return;
    }
    if (!isNew(message.headers?.get(MESSAGE_ID_HEADER) || alert.id)) return;
    noticeGap(alert, message.headers?.get(PREVIOUS_HEADER) ?? '');
    onAlert(alert);
  };
};
