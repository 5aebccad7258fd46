import { setTimeout as delay } from 'node:timers/promises';
import type { JetStreamManager, NatsConnection } from 'nats';
import { natsClient } from '../nats/client.ts';
import { MESSAGE_ID_HEADER } from '../nats/stream.ts';
import type { Ledger } from './ledger.ts';
import { type From, type Pull, pull } from './pull.ts';
import type { Receiver } from './receiver.ts';

/** Where a subscription begins: see `SubscribeOptions`. */
export type Start = 'new' | 'all' | { readonly sequence: number } | { readonly time: Date } | { readonly seq: number };

/** How often it is looked for a stream where there is none yet. */
const LOOK_MS = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
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

/** A stream that is read, and how many messages it has for the reader. */
interface Begun {
  readonly reading: Pull;
  readonly pending: number;
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

/** Opens sessions one after another; each goes on where the one before stopped. */
export const createSessions = (options: SessionsOptions) => {
  const { subject, start, follow, until, ledger, receiver, closing } = options;
  let hasBegun = options.isResumed;
  let generation = 0;
  let began = new Date();

  const isOver = (): boolean => until !== undefined && Date.now() >= until.getTime();

  const begin = async (nats: NatsConnection, manager: JetStreamManager, stream: string): Promise<Begun> => {
    const open = (where: From): Promise<Pull> => pull(nats, manager, stream, subject, where);
    const from = async (where: From): Promise<Begun> => {
      const reading = await open(where);
      return { reading, pending: reading.pending };
    };
    if (hasBegun) return resume(open, from, manager, stream);
    if (start === 'new') {
      began = new Date();
      const reading = await open('last');
      if (reading.pending === 0) return { reading, pending: 0 };
      const last = await reading.next();
      if (last === undefined) throw new Error('the stream could not be read');
      receiver.seed(last.message, last.sequence, generation);
      return { reading, pending: last.pending };
    }
    if (start === 'all' || 'seq' in start) return from('first');
    if ('time' in start) began = start.time;
    return from(start);
  };

  /** Goes on behind the last message that is still where it was. */
  const resume = async (
    open: (where: From) => Promise<Pull>,
    from: (where: From) => Promise<Begun>,
    manager: JetStreamManager,
    stream: string,
  ): Promise<Begun> => {
    const { checkpoints, sequence } = ledger.position;
    const { first_seq, last_seq } = (await manager.streams.info(stream)).state;
    for (const [index, checkpoint] of [...checkpoints].reverse().entries()) {
      const [at, id] = checkpoint;
      if (at > last_seq) continue;
      if (at < first_seq) return index === 0 ? from({ sequence: sequence + 1 }) : again(from);
      const reading = await open({ sequence: at });
      const found = reading.pending > 0 ? await reading.next() : undefined;
      if (found?.sequence === at && found.message.headers?.get(MESSAGE_ID_HEADER) === id) {
        if (index > 0) wentBack(checkpoint);
        return { reading, pending: found.pending };
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

  const again = (from: (where: From) => Promise<Begun>): Promise<Begun> => {
    wentBack(undefined);
    const isPart = start === 'new' || (typeof start === 'object' && 'time' in start);
    return from(isPart && !options.isResumed ? { time: began } : 'first');
  };

  const readAll = async ({ reading, pending }: Begun): Promise<'ended' | 'lost'> => {
    try {
      if (!follow && pending === 0) return 'ended';
      for (;;) {
        const read = await reading.next();
        if (read === undefined) return closing.aborted || isOver() ? 'ended' : 'lost';
        if (until !== undefined && read.time > until.getTime()) return 'ended';
        receiver.receive(read.message, read.sequence, generation);
        if (!follow && read.pending === 0) return 'ended';
        await receiver.room();
      }
    } finally {
      await reading.close();
    }
  };

  /** Ends reading at `until`, where nothing comes then that would. */
  const limited = (begun: Begun): Session => ({
    async run() {
      const left =
        until === undefined ? undefined : Math.min(Math.max(0, until.getTime() - Date.now()) + 1, LONGEST_TIMER_MS);
      const timer = left === undefined || !follow ? undefined : setTimeout(() => void begun.reading.close(), left);
      try {
        return await readAll(begun);
      } finally {
        clearTimeout(timer);
      }
    },
  });

  /** Without a stream: alerts as they are published, until there is one. */
  const plain = async (nats: NatsConnection, manager: JetStreamManager, looks: boolean): Promise<Session> => {
    const subscription = nats.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) receiver.receive(message, 0, generation);
      },
    });
    await nats.flush();
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
      if (stream === undefined || stream === 'never') {
        if (start !== 'new' || !follow)
          throw new Error('it keeps no stream of alerts to read again; leave out --since');
        const session = await plain(nats, manager, stream === undefined);
        hasBegun = true;
        return session;
      }
      const begun = await begin(nats, manager, stream);
      hasBegun = true;
      return limited(begun);
    },
  };
};
