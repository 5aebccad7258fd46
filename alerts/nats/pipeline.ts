import type { Msg, NatsConnection } from 'nats';
import { errorIn, inboxOf, JETSTREAM_ERRORS } from './api.ts';
import { messageOf } from './message.ts';
import type { OutgoingAlert } from './outbox.ts';

/** Alerts under way at once, and their bytes. */
export const WINDOW = 256;
const WINDOW_BYTES = 8 << 20;
const ACK_TIMEOUT_MS = 5_000;
const CHECK_MS = 500;

/** Why a pipeline stopped; what was under way is to be sent again from `first` on. */
export type Stop =
  /** The stream's last message was another host's: the alert is sent again by itself. */
  | { readonly kind: 'overtaken' }
  /** The stream's last message isn't the one it acknowledged: it may have gone back. */
  | { readonly kind: 'doubtful' }
  | { readonly kind: 'too large'; readonly alert: OutgoingAlert; readonly bytes: number }
  | { readonly kind: 'failed'; readonly sentence: string };

export interface PipelineOptions {
  readonly nats: NatsConnection;
  /** Bytes of a message with its headers that server and stream take. */
  readonly maxBytes: number;
  /** Whether alerts may travel together; else each waits until the one before is stored. */
  readonly inRuns: boolean;
  /** The stream's last number known: what is acknowledged after has a greater one, or the stream isn't what it was. */
  readonly streamSeq: number;
  /** Whether a message id is one of this host's alerts. */
  readonly isOwn: (messageId: string) => boolean;
  /** Called in the order of the alerts. */
  readonly onStored: (alert: OutgoingAlert, streamSeq: number, wasThere: boolean) => void;
  /** Called when there is room again, or the pipeline has stopped. */
  readonly onChange: () => void;
}

/** Alerts under way to one stream. */
export interface Pipeline {
  readonly inFlight: number;
  /** Set once; nothing more is sent then. */
  readonly stop: Stop | undefined;
  /** How many alerts may be sent now. */
  room(): number;
  /**
   * Whether the alert is under way now: one that is too large isn't, and stops the pipeline once all before it are stored.
   * @param previous sequence number of the host's alert before; undefined where it isn't known
   */
  send(alert: OutgoingAlert, previous: number | undefined): boolean;
  /** Nothing waits to be sent: once nothing is under way either, the next alert begins a run of its own. */
  rest(): void;
  /** Goes on after `overtaken` or `too large` with nothing under way. */
  clear(): void;
  /** Stops it for a reason from outside. */
  fail(sentence: string): void;
  close(): void;
}

interface UnderWay {
  readonly alert: OutgoingAlert;
  readonly bytes: number;
  readonly sentAt: number;
  answer: Answer | undefined;
}
type Answer = { readonly streamSeq: number; readonly wasThere: boolean } | { readonly stop: Stop };

/**
 * Sends alerts in runs. The first of a run travels alone; each one after it names the one before, and the server stores it only directly behind that one.
 * So whatever is lost, late or refused on the way, a stream never has an alert without those before it. Where another host's message came between, all
 * that follows is turned away and a new run begins, with fewer under way for a while.
 */
export const createPipeline = (options: PipelineOptions): Pipeline => {
  const { nats } = options;
  const inbox = inboxOf(nats);
  /** What is under way, oldest first, from index `head` on; the oldest has the number `headNumber`. */
  let underWay: UnderWay[] = [];
  let head = 0;
  let headNumber = 0;
  let bytesUnderWay = 0;
  let stop: Stop | undefined;
  /** The alert before the next one is stored, or under way before it. */
  let behind: string | undefined;
  let window = WINDOW;
  let storedInARow = 0;
  let { streamSeq } = options;

  const inFlight = (): number => underWay.length - head;

  const halt = (reason: Stop): void => {
    if (stop !== undefined) return;
    stop = reason;
    options.onChange();
  };

  const answerOf = (message: Msg, { alert, bytes }: UnderWay): Answer => {
    if (message.data.length === 0 && message.headers?.code === 503)
      return failed('no stream takes alerts there just now; has it a leader, and is JetStream still on?');
    const text = message.string();
    const acknowledged = JSON.parse(text) as { seq?: number; duplicate?: boolean };
    const error = text.includes('"error"') ? errorIn(acknowledged) : undefined;
    if (error === undefined && typeof acknowledged.seq === 'number')
      return { streamSeq: acknowledged.seq, wasThere: acknowledged.duplicate === true };
    if (error?.code === JETSTREAM_ERRORS.messageTooLarge) return { stop: { kind: 'too large', alert, bytes } };
    if (error?.code === JETSTREAM_ERRORS.wrongLastId) {
      const last = /: (\S+)$/.exec(error.text)?.[1];
      return { stop: { kind: last === undefined || options.isOwn(last) ? 'doubtful' : 'overtaken' } };
    }
    return failed(
      `the stream takes no alert (${error?.text ?? text.slice(0, 200)}); make room in it or raise its limits`,
    );
  };

  /** Takes what is answered from the head on, in order, up to the first that was not stored. */
  const settle = (): void => {
    while (head < underWay.length && stop === undefined) {
      const { alert, bytes, answer } = underWay[head]!;
      if (answer === undefined) break;
      if ('stop' in answer) {
        const wasTurnedAway = answer.stop.kind === 'overtaken' || answer.stop.kind === 'doubtful';
        if (wasTurnedAway) window = Math.max(1, Math.min(window, storedInARow) >> 1);
        halt(answer.stop);
        return;
      }
      if (!answer.wasThere && answer.streamSeq <= streamSeq) {
        halt({ kind: 'doubtful' });
        return;
      }
      streamSeq = Math.max(streamSeq, answer.streamSeq);
      head++;
      headNumber++;
      bytesUnderWay -= bytes;
      if (options.inRuns) behind ??= alert.messageId;
      if (++storedInARow % window === 0) window = Math.min(WINDOW, 2 * window);
      options.onStored(alert, answer.streamSeq, answer.wasThere);
    }
    if (head < WINDOW && head < underWay.length) return;
    underWay = underWay.slice(head);
    head = 0;
  };

  const receive = (message: Msg): void => {
    const number = Number(message.subject.slice(inbox.length + 1));
    const each = number < headNumber ? undefined : underWay[head + number - headNumber];
    if (stop !== undefined || each === undefined || each.answer !== undefined) return;
    try {
      each.answer = answerOf(message, each);
    } catch (error) {
      each.answer = failed(`the server's acknowledgement can't be read: ${(error as Error).message}`);
    }
    if (each !== underWay[head]) return;
    settle();
    options.onChange();
  };

  const subscription = nats.subscribe(`${inbox}.*`, {
    callback: (error, message) => (error ? halt({ kind: 'failed', sentence: error.message }) : receive(message)),
  });
  const timer = setInterval(() => {
    const oldest = underWay[head];
    if (oldest !== undefined && performance.now() - oldest.sentAt > ACK_TIMEOUT_MS)
      halt({
        kind: 'failed',
        sentence: `the server has acknowledged nothing for ${ACK_TIMEOUT_MS / 1000} s; is it overloaded, or its disk?`,
      });
  }, CHECK_MS);
  timer.unref();

  const send = (alert: OutgoingAlert, previous: number | undefined): boolean => {
    const { headers, bytes } = messageOf(alert, previous, behind);
    if (bytes > options.maxBytes) {
      if (inFlight() === 0) halt({ kind: 'too large', alert, bytes });
      return false;
    }
    nats.publish(alert.subject, alert.payload, { reply: `${inbox}.${headNumber + inFlight()}`, headers });
    underWay.push({ alert, bytes, sentAt: performance.now(), answer: undefined });
    bytesUnderWay += bytes;
    if (behind !== undefined) behind = alert.messageId;
    return true;
  };

  return {
    get inFlight() {
      return inFlight();
    },
    get stop() {
      return stop;
    },
    room() {
      if (stop !== undefined || bytesUnderWay > WINDOW_BYTES) return 0;
      return (behind === undefined ? 1 : window) - inFlight();
    },
    send,
    rest() {
      if (inFlight() === 0) behind = undefined;
    },
    clear() {
      headNumber += inFlight();
      underWay = [];
      head = 0;
      bytesUnderWay = 0;
      behind = undefined;
      storedInARow = 0;
      stop = undefined;
    },
    fail: (sentence) => halt({ kind: 'failed', sentence }),
    close() {
      clearInterval(timer);
      subscription.unsubscribe();
    },
  };
};

const failed = (sentence: string): Answer => ({ stop: { kind: 'failed', sentence } });
