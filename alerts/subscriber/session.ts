import { setTimeout as delay } from 'node:timers/promises';
import type { JetStreamManager, NatsConnection } from 'nats';
import { natsClient } from '../nats/client.ts';
import { STREAM } from '../nats/server-config.ts';
import { MESSAGE_ID_HEADER } from '../nats/stream.ts';
import type { Ledger } from './ledger.ts';
import { type From, type Pull, pull } from './pull.ts';
import { boundsByPush, push } from './push.ts';
import type { Receiver } from './receiver.ts';

/** Where a subscription begins: see `SubscribeOptions`. */
export type Start = 'new' | 'all' | { readonly sequence: number } | { readonly time: Date } | { readonly seq: number };

/** How often it is looked for a stream where there is none yet. */
const LOOK_MS = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const MAY_READ = '; where it may read the alerts of some hosts or priorities, ask for one of them (--host, --priority)';
const NO_STREAM = 'no stream matches subject';

export interface SessionsOptions {
  readonly subject: string;
  readonly start: Start;
  readonly follow: boolean;
  readonly until: Date | undefined;
  /** The ledger is one of an earlier subscription. */
  readonly isResumed: boolean;
  readonly ledger: Ledger;
  readonly receiver: Receiver;
  readonly closing: AbortSignal;
  readonly report: (sentence: string) => void;
}

/** Reading over one connection. */
interface Session {
  /** Reads until all that is wanted was read, or it can't go on. */
  run(): Promise<'ended' | 'lost'>;
}

/** The stream that takes a subject; undefined where there is none, `never` where the server has no JetStream for this user. */
const findStreamOf = async (manager: JetStreamManager, subject: string): Promise<string | undefined | 'never'> => {
  const { NatsError, ErrorCode } = natsClient();
  try {
    return await manager.streams.find(subject);
  } catch (error) {
    if (error instanceof Error && error.message === NO_STREAM) return undefined;
    const hasNone = [ErrorCode.NoResponders, ErrorCode.JetStreamNotEnabled, ErrorCode.PermissionsViolation];
    if (error instanceof NatsError && hasNone.some((code) => code === error.code)) return 'never';
    throw error;
  }
};

/** A stream as far as this user may read it. */
interface Source {
  read(from: From): Promise<Pull>;
  /** The numbers of its first and its last message. */
  bounds(): Promise<{ readonly first_seq: number; readonly last_seq: number }>;
}

const sourceOf = (
  nats: NatsConnection,
  manager: JetStreamManager,
  stream: string,
  subject: string,
  isQuick: boolean,
): Source => ({
  read: (from) => pull(nats, manager, stream, subject, from, isQuick),
  bounds: async () => (await manager.streams.info(stream)).state,
});

/** The stream of a user with an account of its own; undefined where the server gives that no part of JetStream. */
const confinedSource = async (nats: NatsConnection, subject: string, isQuick: boolean): Promise<Source | undefined> => {
  const { NatsError, ErrorCode } = natsClient();
  const bounds = () => boundsByPush(nats, STREAM, subject);
  try {
    await bounds();
  } catch (error) {
    const hasNone = [ErrorCode.NoResponders, ErrorCode.PermissionsViolation];
    if (error instanceof NatsError && hasNone.some((code) => code === error.code)) return undefined;
    throw error;
  }
  return {
    async read(from) {
      const reading = await push(nats, STREAM, subject, from, isQuick);
      if (reading === undefined) throw new Error('the stream is gone');
      return reading;
    },
    bounds,
  };
};

/** Opens sessions one after another; each goes on where the one before stopped. */
export const createSessions = (options: SessionsOptions) => {
  const { subject, start, follow, until, ledger, receiver, closing } = options;
  let hasBegun = options.isResumed;
  let generation = 0;
  let began = new Date();

  const isOver = (): boolean => until !== undefined && Date.now() >= until.getTime();

  const begin = async (source: Source): Promise<Pull> => {
    const from = (where: From): Promise<Pull> => source.read(where);
    if (hasBegun) return resume(source);
    if (start === 'new') {
      began = new Date();
      const reading = await from('last');
      if (reading.isEmpty) return reading;
      const last = await reading.next(true);
      if (reading.isLost) throw new Error('the stream could not be read');
      if (last !== undefined) receiver.seed(last.message, last.sequence, generation);
      return reading;
    }
    if (start === 'all' || 'seq' in start) return from('first');
    if ('time' in start) began = start.time;
    return from(start);
  };

  /** Goes on behind the last message that is still where it was. */
  const resume = async (source: Source): Promise<Pull> => {
    const from = (where: From): Promise<Pull> => source.read(where);
    const { checkpoints, sequence } = ledger.position;
    const { first_seq, last_seq } = await source.bounds();
    for (const [index, checkpoint] of [...checkpoints].reverse().entries()) {
      const [at, id] = checkpoint;
      if (at > last_seq) continue;
      if (at < first_seq) return index === 0 ? from({ sequence: sequence + 1 }) : again(from);
      const reading = await from({ sequence: at });
      const found = await reading.next(true);
      if (found?.sequence === at && found.message.headers?.get(MESSAGE_ID_HEADER) === id) {
        if (index > 0) wentBack(checkpoint);
        return reading;
      }
      await reading.close();
      if (reading.isLost) throw new Error('the stream could not be read');
    }
    if (checkpoints.length > 0 || sequence > last_seq) return again(from);
    if (sequence > 0) return from({ sequence: sequence + 1 });
    return from(typeof start === 'object' && !('seq' in start) ? start : 'first');
  };

  const wentBack = (checkpoint: readonly [number, string] | undefined): void => {
    generation = ledger.rewind(checkpoint);
    options.report(
      `the stream went back; reading it again from ${checkpoint ? `message ${checkpoint[0] + 1}` : 'its beginning'}`,
    );
  };

  const again = (from: (where: From) => Promise<Pull>): Promise<Pull> => {
    wentBack(undefined);
    const isPart = start === 'new' || (typeof start === 'object' && 'time' in start);
    return from(isPart && !options.isResumed ? { time: began } : 'first');
  };

  const readAll = async (reading: Pull): Promise<'ended' | 'lost'> => {
    try {
      for (;;) {
        const read = await reading.next(!follow);
        if (read === undefined) return closing.aborted || isOver() || !(follow || reading.isLost) ? 'ended' : 'lost';
        if (until !== undefined && read.time > until.getTime()) return 'ended';
        receiver.receive(read.message, read.sequence, generation);
        await receiver.room();
      }
    } finally {
      await reading.close();
    }
  };

  /** Ends reading at `until`, where nothing comes then that would. */
  const limited = (reading: Pull): Session => ({
    async run() {
      const left =
        until === undefined ? undefined : Math.min(Math.max(0, until.getTime() - Date.now()) + 1, LONGEST_TIMER_MS);
      const timer = left === undefined || !follow ? undefined : setTimeout(() => void reading.close(), left);
      try {
        return await readAll(reading);
      } finally {
        clearTimeout(timer);
      }
    },
  });

  /** Without a stream: alerts as they are published, until there is one. */
  const plain = async (nats: NatsConnection, manager: JetStreamManager, looks: boolean): Promise<Session> => {
    let refused = false;
    const subscription = nats.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) receiver.receive(message, 0, generation);
        else refused = true;
      },
    });
    await nats.flush();
    if (refused) throw new Error(`this user may not read ${subject}${MAY_READ}`);
    return {
      async run() {
        while (!nats.isClosed() && !closing.aborted) {
          if (isOver()) return 'ended';
          const waited = delay(LOOK_MS, undefined, { signal: closing }).catch(() => undefined);
          await Promise.race([waited, nats.closed()]);
          if (!looks || nats.isClosed() || closing.aborted) continue;
          const found = await findStreamOf(manager, subject).catch(() => undefined);
          if (found === undefined || found === 'never') continue;
          subscription.unsubscribe();
          return 'lost';
        }
        return closing.aborted ? 'ended' : 'lost';
      },
    };
  };

  return {
    async open(nats: NatsConnection): Promise<Session> {
      const manager = await nats.jetstreamManager({ checkAPI: false });
      const stream = await findStreamOf(manager, subject);
      const source =
        stream === 'never'
          ? await confinedSource(nats, subject, !follow)
          : stream && sourceOf(nats, manager, stream, subject, !follow);
      if (source === undefined || source === '') {
        if (start !== 'new' || !follow)
          throw new Error('it keeps no stream of alerts to read again; leave out --since');
        const session = await plain(nats, manager, stream === undefined);
        hasBegun = true;
        return session;
      }
      const reading = await begin(source);
      hasBegun = true;
      return limited(reading);
    },
  };
};
