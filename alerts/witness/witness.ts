import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Msg, NatsConnection } from 'nats';
import { openAuditLog } from '../audit/log.ts';
import { natsClient } from '../nats/client.ts';
import { parseServers } from '../nats/connection.ts';
import type { NatsAddress } from '../nats/identity.ts';
import { createPublisher } from '../nats/publisher.ts';
import { ALL_WITNESS_SUBJECTS, hostTokenOf } from '../nats/subject.ts';
import type { Verifier } from '../transparency/key.ts';
import { ALARM_RULES, type Alarm, alarmAlert } from './alarm.ts';
import { createJudge, type WitnessNews, type WitnessReply } from './judge.ts';
import { openWitnessKey } from './key.ts';
import { openLink } from './link.ts';
import { createSilenceWatch } from './silence.ts';
import { openWitnessState, type WitnessedLog } from './state.ts';
import { NO_KEYS, openTrustedKeys } from './trust.ts';
import { HEADER } from './wire.ts';

/** How often agents show their checkpoints, unless they are told otherwise. */
export const WITNESS_INTERVAL_MS = 10_000;
/** So many intervals without a word are too many. */
export const SILENT_AFTER = 6;

const ALARMS_FOLDER = 'alarms';
const LAST_RETRY_MS = 5_000;
const FLUSH_MS = 3_000;
/** Alarms are few, and are kept for good. */
const ALARMS_KEPT = { keepMs: 100 * 365 * 86_400_000, keepBytes: 2 ** 40, reserveBytes: 2 ** 20 };

export interface WitnessOptions {
  readonly servers: string | NatsAddress;
  /** Where the witness keeps its key, what it has seen, and its alarms; made where it is missing. One witness a folder. */
  readonly folder: string;
  /** The witness's name; its alarms are alerts of a host of that name. */
  readonly name: string;
  /** A file or folder with the public keys of the logs; left out: each log's key is the one that it shows first. */
  readonly keys?: string;
  readonly intervalMs?: number;
  readonly silentAfter?: number;
  readonly onAlarm?: (alarm: Alarm & { readonly rule: string }) => void;
  readonly onNews?: (news: WitnessNews) => void;
  /** Called each time that requests can arrive from now on. */
  readonly onListening?: (servers: string) => void;
  /** Takes sentences about the server, the disk and the state. */
  readonly report?: (sentence: string) => void;
}

/** A witness that answers. */
export interface Witness {
  readonly verifier: Verifier;
  /** Whether the key was made just now. */
  readonly isNewKey: boolean;
  /** Whether nothing was known yet of any log. */
  readonly isNewState: boolean;
  readonly logs: ReadonlyMap<string, WitnessedLog>;
  /** Logs whose keys are trusted and that were never heard. */
  readonly unheard: readonly string[];
  readonly isConnected: boolean;
  /** Alarms raised since it was opened. */
  readonly alarms: number;
  close(): Promise<void>;
}

const headersOf = ({ status, known }: WitnessReply) => {
  const headers = natsClient().headers();
  headers.set(HEADER.status, String(status));
  if (known !== undefined) headers.set(HEADER.known, Buffer.from(known).toString('base64'));
  return headers;
};

const inTime = (promise: Promise<unknown>, ms: number): Promise<boolean> => {
  const timer = new AbortController();
  return Promise.race([
    promise.then(
      () => true,
      () => false,
    ),
    delay(ms, false, { signal: timer.signal }).catch(() => false),
  ]).finally(() => timer.abort());
};

/**
 * Starts a witness: it takes what agents show of their logs, checks that each only grew, keeps it, cosigns it, and alarms where a log forks, shrinks or falls
 * silent. A server that isn't there is waited for. @throws Error with a remedy where the folder, the key or the trusted keys can't be used
 */
export const openWitness = async (options: WitnessOptions): Promise<Witness> => {
  const { folder, name, intervalMs = WITNESS_INTERVAL_MS, silentAfter = SILENT_AFTER } = options;
  const { report = () => undefined, onNews, onAlarm, onListening } = options;
  const servers = parseServers(options.servers);
  const trust = options.keys === undefined ? NO_KEYS : openTrustedKeys(options.keys);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const alarms = await openAuditLog({ folder: join(folder, ALARMS_FOLDER), host: name, warn: report, ...ALARMS_KEPT });
  try {
    const { signer, isNew: isNewKey } = await openWitnessKey(folder, name);
    const state = openWitnessState(folder);
    const publisher = createPublisher({ servers: options.servers, host: name, log: alarms, report });
    let raised = 0;

    const alarm = async (found: Alarm): Promise<void> => {
      alarms.append('alert', alarmAlert(found, name));
      raised++;
      onAlarm?.({ ...found, rule: ALARM_RULES[found.kind] });
      await alarms.flush();
    };
    const news = (told: WitnessNews): void => {
      if (told.kind === 'stopped') silence.release(told.log.origin);
      else if (told.kind !== 'refused') silence.heard(told.log.origin);
      onNews?.(told);
    };
    const judge = createJudge({
      signer,
      state,
      trust,
      trustOnFirstUse: options.keys === undefined,
      alarm,
      news,
    });

    const take = async (message: Msg): Promise<void> => {
      const [key, oldRoot] = [message.headers?.get(HEADER.key), message.headers?.get(HEADER.oldRoot)];
      const reply = await judge.judge({
        hostToken: hostTokenOf(message.subject),
        body: message.string(),
        ...(key && { key }),
        rotations: (message.headers?.values(HEADER.rotation) ?? []).map((text) =>
          Buffer.from(text, 'base64').toString(),
        ),
        ...(oldRoot && { oldRoot }),
      });
      message.respond(reply.body, { headers: headersOf(reply) });
    };
    const serve = async (nats: NatsConnection): Promise<void> => {
      const fail = (error: unknown): void => report(`${servers.text}: a request: ${(error as Error).message}`);
      const subscription = nats.subscribe(ALL_WITNESS_SUBJECTS, {
        callback: (error, message) => {
          if (error === null) void take(message).catch(fail);
          else fail(error);
        },
      });
      await nats.flush();
      onListening?.(servers.text);
      await nats.closed();
      subscription.unsubscribe();
      throw new Error(`${servers.text}: the connection was lost`, { cause: 'lost' });
    };
    const link = openLink({ servers, name: `shrike witness ${name}`, use: serve, lastRetryMs: LAST_RETRY_MS, report });

    const accuseSilent = (origin: string, quietMs: number): void => {
      const log = state.logs.get(origin);
      if (log === undefined || judge.isBusy(origin)) {
        silence.heard(origin);
        return;
      }
      const seconds = Math.round(quietMs / 1000);
      const sentence = `the audit log ${origin} is silent: nothing was heard of it for ${seconds} s, ${silentAfter} intervals; it had ${log.found.size} entries`;
      void judge
        .inTurn(origin, () => judge.accuse(log, 'silent', { sentence }))
        .catch((error: unknown) => report(`${origin}: ${(error as Error).message}`));
    };
    const silence = createSilenceWatch({
      intervalMs,
      silentAfter,
      probe: () => inTime(link.connection?.flush() ?? Promise.reject(), intervalMs),
      onSilent: accuseSilent,
    });
    for (const { origin, stoppedAt, incidents } of state.logs.values())
      if (stoppedAt === undefined && !incidents.includes('silent')) silence.heard(origin);

    return {
      verifier: signer.verifier,
      isNewKey,
      isNewState: state.isNew,
      logs: state.logs,
      get unheard() {
        return trust.origins.filter((origin) => !state.logs.has(origin));
      },
      get isConnected() {
        return link.connection !== undefined;
      },
      get alarms() {
        return raised;
      },
      async close() {
        await silence.close();
        await link.close();
        await publisher.flush(FLUSH_MS);
        await publisher.close();
        await alarms.close();
      },
    };
  } catch (error) {
    await alarms.close();
    throw error;
  }
};
