import type { Msg } from 'nats';
import type { Alert } from '../alert.ts';
import { MESSAGE_ID_HEADER, PREVIOUS_HEADER } from '../nats/stream.ts';
import type { SubjectTemplate } from '../nats/subject.ts';
import { parseAlert } from '../schema.ts';
import { createArrivals, type Gap, type Handed } from './arrivals.ts';
import type { Advance, Ledger } from './ledger.ts';
import { createQueue } from './queue.ts';

/** Alerts that are read ahead of whoever takes them. */
const READ_AHEAD = 2_000;
const LOOK_MS = 100;

type Message = Pick<Msg, 'subject' | 'headers' | 'string'>;

/** What is handed to whoever iterates. */
export type Item = { readonly kind: 'alert'; readonly alert: Alert } | { readonly kind: 'gap'; readonly gap: Gap };

type Queued = (Item | { readonly kind: 'nothing' }) & { readonly advance: Advance };

/** An alert, and where in the stream it stood; 0 outside of one. */
interface Read {
  readonly alert: Alert;
  readonly sequence: number;
  readonly generation: number;
}

export interface ReceiverOptions {
  readonly template: SubjectTemplate;
  readonly isWanted: (alert: Alert) => boolean;
  /** Alerts with lower numbers in their host's log are passed over. */
  readonly fromSeq: number;
  readonly looksForGaps: boolean;
  readonly patience: number;
  readonly ledger: Ledger;
  readonly report: (sentence: string) => void;
}

/** Takes messages, and hands over alerts and gaps. */
export interface Receiver {
  /** @param sequence the message's number in the stream; 0 outside of one */
  receive(message: Message, sequence: number, generation: number): void;
  /** A message that was there before: its alert is known, and not handed over. */
  seed(message: Message, sequence: number, generation: number): void;
  room(): Promise<void>;
  next(): Promise<Item | undefined>;
  /** Nothing more will come; what waits for earlier alerts is handed over. */
  end(): void;
  /** Nothing more is wanted, nor what was read and not handed over. */
  drop(): void;
  readonly missing: readonly Gap[];
}

const previousOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;

export const createReceiver = (options: ReceiverOptions): Receiver => {
  const { template, ledger, report } = options;
  const queue = createQueue<Queued>(READ_AHEAD);
  const arrivals = createArrivals<Read>(options.looksForGaps, ledger.position.hosts);

  /** An alert's message; undefined where it is none, which is said. */
  const read = (message: Message) => {
    const { subject, headers } = message;
    const parsed = parseAlert(message.string());
    if ('problem' in parsed) {
      report(`a message on ${subject} is no alert: ${parsed.problem}`);
      return undefined;
    }
    const { alert } = parsed;
    const expected = template.of(alert);
    if (subject !== expected) {
      report(`a message on ${subject} is no alert of that subject: it claims to be one of ${expected}`);
      return undefined;
    }
    const { host, seq, time } = alert;
    const id = headers?.get(MESSAGE_ID_HEADER) || alert.id;
    return {
      alert,
      arrival: { host, seq, time, id, previous: previousOf(headers?.get(PREVIOUS_HEADER) || undefined) },
    };
  };

  const gapOf = (gap: Gap): Item => {
    const { host, after, upTo } = gap;
    report(`alerts of ${host} did not arrive: those after ${host}-${after} up to ${host}-${upTo}`);
    return { kind: 'gap', gap };
  };

  const queued = (handed: Handed<Read>, generation: number): Queued => {
    if (handed.kind === 'gap') return { ...gapOf(handed.gap), advance: { generation } };
    const { arrival, state } = handed;
    const advance: Advance = { generation, host: [arrival.host, state] };
    const { alert } = arrival.value;
    return options.isWanted(alert) && alert.seq >= options.fromSeq
      ? { kind: 'alert', alert, advance }
      : { kind: 'nothing', advance };
  };

  /** Up to which message of the stream everything is handed over once the queue is. */
  const doneWith = (sequence: number, generation: number): number =>
    arrivals.held.reduce(
      (least, held) => (held.generation === generation ? Math.min(least, held.sequence - 1) : least),
      sequence,
    );

  const pass = (all: readonly Handed<Read>[], last: Advance): void => {
    for (const handed of all) queue.push(queued(handed, last.generation));
    queue.push({ kind: 'nothing', advance: last });
  };

  let hasEnded = false;
  let latest = { sequence: 0, generation: 0 };
  const look = setInterval(() => {
    if (arrivals.held.length === 0) return;
    const handed = arrivals.giveUp(performance.now() - options.patience);
    const { sequence, generation } = latest;
    if (handed.length > 0) pass(handed, { generation, sequence: doneWith(sequence, generation) });
  }, LOOK_MS);
  look.unref();

  const advanceOf = (sequence: number, generation: number, id: string | undefined): Advance => {
    if (sequence === 0) return { generation };
    const done = doneWith(sequence, generation);
    return {
      generation,
      sequence: done,
      ...(id !== undefined && done === sequence && { checkpoint: [sequence, id] as const }),
    };
  };

  return {
    receive(message, sequence, generation) {
      latest = { sequence, generation };
      const found = read(message);
      const handed = found
        ? arrivals.take({ ...found.arrival, value: { alert: found.alert, sequence, generation } })
        : [];
      pass(handed, advanceOf(sequence, generation, found?.arrival.id));
    },
    seed(message, sequence, generation) {
      latest = { sequence, generation };
      const found = read(message);
      const handed = found
        ? arrivals.take({ ...found.arrival, value: { alert: found.alert, sequence, generation } })
        : [];
      for (const each of handed)
        if (each.kind === 'arrival') ledger.apply({ generation, host: [each.arrival.host, each.state] });
      ledger.apply(advanceOf(sequence, generation, found?.arrival.id));
    },
    room: () => queue.room(),
    async next() {
      for (;;) {
        const item = await queue.shift();
        if (item === undefined) return undefined;
        ledger.apply(item.advance);
        if (item.kind !== 'nothing') return item;
      }
    },
    end() {
      if (hasEnded) return;
      hasEnded = true;
      clearInterval(look);
      const { sequence, generation } = latest;
      const handed = arrivals.giveUp(Number.POSITIVE_INFINITY);
      if (handed.length > 0) pass(handed, { generation, sequence });
      queue.end();
    },
    drop() {
      hasEnded = true;
      clearInterval(look);
      queue.clear();
      queue.end();
    },
    get missing() {
      return arrivals.missing;
    },
  };
};
